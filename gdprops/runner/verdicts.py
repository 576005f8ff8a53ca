"""From what a search found to a verdict."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gdprops.model.evidence import Evidence
from gdprops.model.verdict import Status, Verdict, unexamined
from gdprops.model.wording import plural
from gdprops.numerics.decisions import decisive_needed
from gdprops.runner.counterexamples.build import counterexample_of
from gdprops.runner.items import Item, examiner

if TYPE_CHECKING:
    from gdprops.model.subject import Subject
    from gdprops.runner.search import Finding
    from gdprops.runner.settings import Settings


def blank(item: Item, status: Status, reason: str) -> Verdict:
    """Return a verdict without examples."""
    return unexamined(item.clause, item.about, status, reason)


def judge(item: Item, subject: Subject | None, finding: Finding, settings: Settings) -> Verdict:
    """Turn what was found into a verdict."""
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
    needed = decisive_needed(finding.examples)
    if finding.decisive < needed or not finding.examples:
        most = finding.reasons.most_common(1)
        reason = f"{finding.decisive} of {plural(finding.examples, 'example')} decisive, {needed} needed"
        return replace(counted, status=Status.VACUOUS, reason=f"{reason}: {most[0][0]}" if most else reason)
    return counted


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
