"""What a report tells of one fault: first what the subject does instead, then where, by how much, and how to see it.

One fault often violates several clauses. They have one block: that of the primary violation, which names the others in
its last line. What a block says is decided here; the terminal, Markdown, the page, JUnit and pytest only draw it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from gdprops.model.clause import Level
from gdprops.model.ending import Ending, ending_of
from gdprops.model.verdict import ALARMING, About, Status
from gdprops.model.wording import plural
from gdprops.report.phrases import number, place
from gdprops.report.user_lines import shown_lines
from gdprops.runner.primary_violation import raised_by, tells_facts

if TYPE_CHECKING:
    from gdprops.model.evidence import Location
    from gdprops.model.outcome import Outcome
    from gdprops.model.verdict import Verdict

FEW = 3
"""The names of so many clauses in which the same exception is raised are printed; of more, their number."""


@final
@dataclass(frozen=True, slots=True)
class FaultBlock:
    """The text of one fault.

    Attributes:
        verdict: The primary violation.
        title: Its status and clause.
        facts: Labels and texts, what the subject does instead first.
        traceback: A reason of several lines, as it is.
        script: The shrunk case, as runnable Python.
        doubt: Why the script or the replay may not show the violation.
        replay: How to run the case again.
    """

    verdict: Verdict
    title: str
    facts: tuple[tuple[str, str], ...]
    traceback: str
    script: str
    doubt: str
    replay: str


def fault_blocks(outcome: Outcome, *, every: bool = False) -> tuple[FaultBlock, ...]:
    """Return a block for each fault, or for ``every`` violation, abortion and error; the primary one is first."""
    shown = [verdict for verdict in in_full(outcome) if every or not followed(verdict, outcome)]
    if not every:  # facts that were seen alike, with no cause proved, are told once
        shown = [v for k, v in enumerate(shown) if not any(_sees_the_same(v, earlier) for earlier in shown[:k])]
    advised = frozenset(v.clause for v in outcome.of(About.SUBJECT) if ending_of(v) is Ending.ADVISED)
    return tuple(fault_block(verdict, advised) for verdict in shown)


def fault_block(verdict: Verdict, advised: Collection[str] = ()) -> FaultBlock:
    """Return the block of one violated, aborted or erroneous verdict.

    ``advised``: the clauses that are violated and recommended only, as far as they are known.
    """
    example = verdict.counterexample
    saved = f"Saved in {example.path}" if example is not None and example.path else ""
    return FaultBlock(
        verdict,
        f"{verdict.status.upper()} {verdict.clause}{' (recommended)' * (verdict.level is Level.RECOMMENDED)}",
        tuple(_facts(verdict, advised)),
        verdict.reason.strip() if _is_traceback(verdict) else "",
        "" if example is None else example.python.strip(),
        "" if example is None else example.doubt,
        saved if example is None or not example.replay else f"Replay it: {example.replay}",
    )


def in_full(outcome: Outcome) -> list[Verdict]:
    """Return the violations, abortions and errors of a run, the primary violation first, recommended ones last.

    What raises, raises whatever is checked: the same exception in other clauses is not told again.
    """
    again = {clause for verdict in outcome.verdicts if raises(verdict) for clause in verdict.same_fault}
    shown = [
        verdict
        for verdict in outcome.verdicts
        if verdict.status in ALARMING and not (verdict.about is About.SUBJECT and verdict.clause in again)
    ]
    return sorted(shown, key=lambda verdict: (not verdict.also, verdict.level is Level.RECOMMENDED))


def _sees_the_same(verdict: Verdict, earlier: Verdict) -> bool:
    """Say whether an earlier violation, which names this one, tells the same facts and no cause."""
    same = verdict.explanation == earlier.explanation and verdict.clause in earlier.also
    return same and tells_facts(verdict)


def followed(verdict: Verdict, outcome: Outcome) -> bool:
    """Say whether the explanation of another violation reproduces this one too: it is likely the same fault."""
    return verdict.about is About.SUBJECT and any(verdict.clause in other.same_fault for other in outcome.verdicts)


def raises(verdict: Verdict) -> bool:
    """Say whether the violation is an exception of the subject's."""
    return verdict.explanation is None and bool(raised_by(verdict))


def _facts(verdict: Verdict, advised: Collection[str]) -> Iterator[tuple[str, str]]:
    if verdict.explanation:
        yield "instead", verdict.explanation
    if verdict.findings:
        yield from (("found", finding.sentence) for finding in verdict.findings)
    elif verdict.reason and not _is_traceback(verdict):
        yield "reason", verdict.reason
    if verdict.blame:
        yield "wrong", ", ".join(verdict.blame) + _since(verdict)
    yield from (("line", line) for line in shown_lines(verdict))
    if verdict.location is not None:
        yield from _numbers(verdict.location)
    if verdict.about is About.REFERENCE:
        yield "about", "the reference"
    if verdict.status is not Status.ABORTED:
        yield "demanded", verdict.statement
    if verdict.examples and not verdict.findings:
        yield "found", f"after {plural(verdict.examples, 'example')}"
    if verdict.also:
        yield "violates", _violates(verdict, advised)


def _violates(verdict: Verdict, advised: Collection[str]) -> str:
    """Return all violated clauses; only those that the explanation reproduces are likely of the same fault."""
    also = {clause: clause + " (recommended)" * (clause in advised) for clause in verdict.also}
    others = ", ".join(name for clause, name in also.items() if clause not in verdict.same_fault)
    apart = f"it does not explain {others}, which may be another fault" * bool(others)
    if raises(verdict) and len(verdict.same_fault) > FEW:
        same = f"it raises whatever is checked: so do {plural(len(verdict.same_fault), 'other clause')}"
    else:
        same = ", ".join((verdict.clause, *(name for clause, name in also.items() if clause in verdict.same_fault)))
    return "; ".join(filter(None, (same, apart)))


def _numbers(location: Location) -> Iterator[tuple[str, str]]:
    yield "where", place(location)
    yield "seen", f"{location.seen}, expected {location.expected}"
    by = number(location.difference)
    if location.relative is not None:
        by += f", {number(location.relative)} of the displacement"
    allowed = f"{number(location.allowed)} allowed" if location.allowed else "0 allowed (exact case: equality)"
    yield "difference", f"{by}; {allowed}"


def _since(verdict: Verdict) -> str:
    return "" if verdict.first_wrong_step is None else f" (first at step {verdict.first_wrong_step})"


def _is_traceback(verdict: Verdict) -> bool:
    return "\n" in verdict.reason.strip()
