"""One search for a family of clauses: each drawn case is examined by all of them, and nothing is shrunk."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gdprops.model.clause import Clause
from gdprops.model.evidence import Evidence, agreement
from gdprops.runner.search import Finding, Stop, concluded, judged, search
from gdprops.runner.stocks import search_dealt
from gdprops.runner.witnesses import FOLLOWING
from gdprops.strategies.dealing import dealing_of

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy


def search_together(
    examine: Callable[[Any, Collection[int]], Mapping[int, Evidence | Exception]],
    cases: SearchStrategy[Any],
    clauses: Sequence[Clause],
    *,
    examples: int,
    seed: int,
    patience: int | None = None,
    on_example: Callable[[int], None] = lambda count: None,
    findings: list[Finding],
) -> None:
    """Draw cases and examine several clauses on each; the findings are filled one by one, and nothing is shrunk.

    Each clause is examined until a case violates it: it is then to be searched alone, from the same seed. What it shows
    in the next `FOLLOWING` examples is kept beside that.

    Args:
        examine: examines the clauses with the given indices, and returns what each of them shows or raises.
        cases: draws a case.
        clauses: the clauses.
        examples: the number of examples.
        seed: the seed of the examples.
        patience: how many further examples are drawn once a required clause is violated; None for all.
        on_example: is called with the number of examples.
        findings: empty findings, one for each clause.
    """
    since, broken = 0, ""

    def look(case: Any) -> Evidence:
        nonlocal since, broken
        asked = [k for k, finding in enumerate(findings) if _is_asked(finding)]
        told = examine(case, asked)
        for k in asked:
            _add(findings[k], case, told[k])
        broken = broken or next((c.id for c, one in zip(clauses, findings, strict=True) if one.breaks(c)), "")
        since += bool(broken)
        if (patience is not None and since > patience) or not any(map(_is_asked, findings)):
            for finding in findings:
                finding.cut_off = broken if _is_open(finding) else ""
            raise Stop
        return agreement()

    dealing = dealing_of(cases)
    if dealing is None:
        whole = search(look, cases, examples=examples, seed=seed, shrink=False, on_example=on_example)
    else:
        whole = search_dealt(look, dealing, examples=examples, seed=seed, shrink=False, on_example=on_example)
    for finding in findings:
        finding.bug = finding.bug or whole.bug
        if not finding.cut_off:
            concluded(finding)


def _is_open(finding: Finding) -> bool:
    return finding.bug is None and finding.evidence is None


def _is_asked(finding: Finding) -> bool:
    return _is_open(finding) or (finding.evidence is not None and finding.further.looked_at < FOLLOWING)


def _add(finding: Finding, case: Any, told: Evidence | Exception) -> None:
    try:
        evidence = judged(_giving(told), case)
    except Exception:
        finding.bug = traceback.format_exc()
    else:
        (finding if finding.evidence is None else finding.further).add(case, evidence)


def _giving(told: Evidence | Exception) -> Callable[[Any], Evidence]:
    def give(case: Any) -> Evidence:
        if isinstance(told, Exception):
            raise told
        return told

    return give
