"""Turn what a search found into a verdict: held, violated, vacuous or error."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gdprops.model.evidence import Evidence
from gdprops.model.item import Item
from gdprops.model.verdict import Status, Verdict, unexamined
from gdprops.model.wording import plural
from gdprops.numerics.decisions import decisive_needed
from gdprops.runner.counterexamples.counterexample import counterexample_of
from gdprops.runner.items import examiner
from gdprops.runner.primary_violation import GENERAL

if TYPE_CHECKING:
    from gdprops.model.subject import Subject
    from gdprops.runner.search import Finding
    from gdprops.runner.settings import Settings


def blank(item: Item, status: Status, reason: str) -> Verdict:
    """Return the verdict of an item for which no example was examined."""
    return unexamined(item.clause, item.about, status, reason)


def judge(item: Item, subject: Subject | None, finding: Finding, settings: Settings) -> Verdict:
    """Return the verdict that follows from what a search found."""
    counted = replace(
        blank(item, Status.HELD, ""),
        examples=finding.examples,
        decisive=finding.decisive,
        worst_ratio=finding.worst_ratio,
        vacuous_reasons=dict(finding.reasons.most_common()),
        notes=tuple(finding.notes),
    )
    if finding.bug is not None:
        return replace(counted, status=Status.ERROR, reason=finding.bug)
    if finding.evidence is not None:
        return _violated(counted, item, subject, finding, settings)
    if finding.cut_off:
        return replace(counted, status=Status.VACUOUS, reason=f"not decided: the step already fails {finding.cut_off}")
    needed = decisive_needed(finding.examples)
    if finding.decisive < needed or not finding.examples:
        return replace(counted, status=Status.VACUOUS, reason=_undecided(finding, needed))
    return counted


def _undecided(finding: Finding, needed: int) -> str:
    """Return why too few examples were decisive.

    In an example that counts as ``elsewise``, a step does not end at the simultaneous update. If no example is decisive
    for this reason, the reader needs to know that step.simultaneous is violated, and not how many examples there were.
    """
    if not finding.decisive and finding.elsewise >= max(needed, 1):
        could = "" if finding.elsewise == finding.examples else " that could decide"
        return f"every example{could} already fails {GENERAL}"
    reason = f"{finding.decisive} of {plural(finding.examples, 'example')} decisive, {needed} needed"
    most = finding.reasons.most_common(1)
    return f"{reason}: {most[0][0]}" if most else reason


def _violated(counted: Verdict, item: Item, subject: Subject | None, finding: Finding, settings: Settings) -> Verdict:
    evidence = finding.evidence or Evidence()
    unsteady = "; not every repetition shows it: the subject is not deterministic" if finding.unsteady else ""
    return replace(
        counted,
        status=Status.VIOLATED,
        worst_ratio=evidence.ratio,
        blame=evidence.blame,
        first_wrong_step=None if evidence.location is None else evidence.location.step,
        location=evidence.location,
        reason=evidence.reason + unsteady,
        compared=evidence.compared,
        counterexample=counterexample_of(item, subject, finding.case, evidence, settings, examiner),
    )
