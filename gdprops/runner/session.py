"""Run a subject's clauses and return the outcome.

An item is one clause about the subject or about the reference. For each item the session decides whether the clause
applies, searches for a violation, and turns the result into a verdict. A violation of a training step is explained
with further failing examples. `check_subject` runs all items in this process; `run_item` runs one of them.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from gdprops.clauses import catalogue
from gdprops.errors import SubjectStopped, UsageError
from gdprops.kinds import kind_of
from gdprops.model.clause import Clause, View
from gdprops.model.domain import Domain
from gdprops.model.evidence import violation
from gdprops.model.item import Item
from gdprops.model.note import Note
from gdprops.model.outcome import Outcome
from gdprops.model.traits import Traits
from gdprops.model.verdict import About, Status, Verdict
from gdprops.runner.conclude import conclude
from gdprops.runner.counterexamples.encoding import decode
from gdprops.runner.item_verdict import searched
from gdprops.runner.items import REFERENCE, examiner, items_for
from gdprops.runner.kept_reference import SEED, KeptReference
from gdprops.runner.primary_violation import GENERAL
from gdprops.runner.search import Finding, judged
from gdprops.runner.shards import share
from gdprops.runner.shared_searches import SharedSearches
from gdprops.runner.verdicts import blank, judge
from gdprops.runner.watcher import SILENT, Watcher
from gdprops.subjects.user_code.calling import Calls
from gdprops.subjects.user_code.isolation import isolated
from gdprops.subjects.user_code.process_changes import SPOILT

if TYPE_CHECKING:
    from gdprops.model.subject import Subject
    from gdprops.runner.project.accepted import Accepted
    from gdprops.runner.settings import Settings


class Measured(NamedTuple):
    """A subject with its measured traits and domain; ``hung`` says why they could not be measured, if so."""

    subject: Subject
    domain: Domain
    hung: str | None = None
    notes: tuple[Note, ...] = ()
    barred: str = ""
    judged_by: str = ""
    unsteady: bool = False

    def unmet(self, clause: Clause) -> str | None:
        """Return why a clause does not apply to the subject, or None if it applies."""
        return kind_of(self.subject).unmet(self.subject, self.domain, clause)

    def near_miss(self, clause: Clause) -> str | None:
        """Return why a clause cannot decide although it applies: the subject almost has the trait that it needs."""
        return clause.needs.near_miss(self.subject.traits, rule=self.subject.rule)


def run_item(
    subject: Subject, item: Item, settings: Settings, watcher: Watcher = SILENT, *, beside: Sequence[Item] = ()
) -> Verdict:
    """Return the verdict of one item. Process-wide state (random generators, default dtype, ...) is restored.

    ``beside``: the items of the same subject that this process is going to be asked for too: some share a search.
    """
    with isolated():
        if item.about is not About.SUBJECT:
            return _about_reference(item, settings, watcher)
        measured = measured_subject(subject, settings)
        return _verdict(measured, item, settings, watcher, _searches(measured, beside, settings))


def check_subject(
    subject: Subject, *, clauses: str | Sequence[str] = "*", settings: Settings, watcher: Watcher = SILENT
) -> Outcome:
    """Return the outcome of a whole run in this process; ``fail_fast`` stops at the first red verdict."""
    items = share(items_for(subject, catalogue().select(clauses)), settings.shard)
    began, cpu = time.perf_counter(), time.process_time()
    with kind_of(subject).at_work():
        with isolated():
            measured = measured_subject(subject, settings)
        verdicts = check_items(measured, items, settings, watcher)
    timing = {"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - cpu}
    return conclude(subject.name, settings, verdicts, timing, identity=subject.identity.key)


def check_items(
    measured: Measured,
    items: Sequence[Item],
    settings: Settings,
    watcher: Watcher = SILENT,
    *,
    dealt: Iterable[Item] | None = None,
) -> list[Verdict]:
    """Return the verdicts of some items of a measured subject; ``fail_fast`` stops at the first red one.

    ``dealt``: those of the items that are run here; None for all.
    """
    verdicts: list[Verdict] = []
    with isolated():
        shared, kept = _searches(measured, items, settings), KeptReference(settings)
        for item in items if dealt is None else dealt:
            watcher.started(item, item.fellows(items))
            told = _told_once(measured, item, items) or _told_before(verdicts, item) or kept.verdict(item)
            verdicts.append(told or kept.with_note(_verdict(measured, item, settings, watcher, shared)))
            watcher.finished(verdicts[-1])
            if settings.fail_fast and verdicts[-1].failed:
                break
    return verdicts


def _told_before(verdicts: Sequence[Verdict], item: Item) -> Verdict | None:
    """Return the verdict of an item after the subject has changed what gdprops computes with: nothing can be judged."""
    spoilt = next((v.reason for v in verdicts if v.reason.startswith(SPOILT)), "")
    return blank(item, Status.NOT_APPLICABLE, f"not examined: {spoilt}") if spoilt else None


def _told_once(measured: Measured, item: Item, items: Sequence[Item]) -> Verdict | None:
    """Return the verdict of an item that has nothing to say of its own: another one tells that the subject hangs."""
    if measured.hung is None or item.about is not About.SUBJECT or item == speaker(items):
        return None
    return blank(item, Status.NOT_APPLICABLE, f"not examined: {measured.hung}")


def speaker(items: Sequence[Item]) -> Item | None:
    """Return the item whose verdict tells, once for all items, why the subject cannot be examined."""
    own = [item for item in items if item.about is About.SUBJECT]
    return next((item for item in own if item.clause.id == GENERAL), own[0] if own else None)


def self_check(settings: Settings, watcher: Watcher = SILENT) -> Outcome:
    """Return the outcome of the reference on every clause that applies to it, with the full number of examples."""
    items = [Item(c, About.REFERENCE) for c in catalogue() if c.view is View.SYSTEM]
    verdicts = []
    began = time.perf_counter()
    with isolated():
        for item in items:
            watcher.started(item, len(items))
            verdicts.append(searched(item, None, Domain(), settings, watcher))
            watcher.finished(verdicts[-1])
    outcome = conclude(REFERENCE, settings, verdicts, {"seconds": time.perf_counter() - began})
    return replace(outcome, counted=About.REFERENCE)


UNSTEADY = "a step raised while the traits were measured, and not when it was taken again: see the note"
_MEASURED: list[tuple[Subject, float | None, Measured]] = []
_SEARCHES: list[tuple[Subject, Sequence[Item], Settings, SharedSearches]] = []
TIMES_FOR_TRAITS = 3
"""Traits are measured once for all clauses, and may take the time of this many clauses."""
KEPT_MEASURED = 8
"""How many measured subjects are remembered: the items of a test run are about a few subjects."""


def measured_subject(subject: Subject, settings: Settings) -> Measured:
    """Measure the traits and the domain of a subject; the same object is measured only once."""
    for known, timeout, found in _MEASURED:
        if known is subject and timeout == settings.timeout:
            return found
    measured = _measured(subject, settings)
    _MEASURED[:] = [*_MEASURED[1 - KEPT_MEASURED :], (subject, settings.timeout, measured)]
    return measured


def calls_for_traits(settings: Settings) -> Calls:
    """Return the budget of what measures a subject's traits."""
    return Calls(TIMES_FOR_TRAITS * settings.timeout, "to show its traits")


def _measured(subject: Subject, settings: Settings) -> Measured:
    budgeted = subject.prepared(Traits(), calls_for_traits(settings))
    try:
        found = kind_of(subject).measure(budgeted)
    except SubjectStopped as hang:
        return Measured(subject, Domain(), str(hang))
    prepared = (found.subject or subject).prepared(found.traits, Calls(settings.timeout))
    return Measured(prepared, found.domain, None, found.notes, found.barred, found.judged_by, found.unsteady)


def _searches(measured: Measured, items: Sequence[Item], settings: Settings) -> SharedSearches:
    """Return the searches that some of these items share; for the same subject, items and settings it is one object."""
    for known, known_items, known_settings, found in _SEARCHES:
        if known is measured.subject and known_items == items and known_settings == settings:
            return found
    sharing = [item for item in items if _may_share(measured, item, settings)]
    found = SharedSearches(measured.subject, measured.domain, sharing, settings)
    _SEARCHES[:] = [*_SEARCHES[1 - KEPT_MEASURED :], (measured.subject, items, settings, found)]
    return found


def _may_share(measured: Measured, item: Item, settings: Settings) -> bool:
    """Say whether an item is searched for at all; what was accepted is looked at by itself."""
    if item.about is not About.SUBJECT or measured.hung is not None or measured.barred:
        return False
    left_out = settings.terms.excluded(item.clause) or settings.terms.accepts(measured.subject, item.clause.id)
    return left_out is None and measured.unmet(item.clause) is None and measured.near_miss(item.clause) is None


def _verdict(measured: Measured, item: Item, settings: Settings, watcher: Watcher, shared: SharedSearches) -> Verdict:
    if item.about is About.REFERENCE:
        return _about_reference(item, settings, watcher)
    left_out = settings.terms.excluded(item.clause)
    if left_out is not None:
        return blank(item, Status.NOT_APPLICABLE, left_out)
    entry = settings.terms.accepts(measured.subject, item.clause.id)
    if entry is not None:
        return _accepted(entry, measured, item, settings, watcher, shared)
    verdict = _about_subject(measured, item, settings, watcher, shared)
    verdict = replace(verdict, notes=(*measured.notes, *verdict.notes))
    return settings.terms.judged(item.clause, verdict, strict=settings.strict)


def _about_subject(
    measured: Measured, item: Item, settings: Settings, watcher: Watcher, shared: SharedSearches
) -> Verdict:
    if measured.hung is not None:
        return blank(item, Status.ABORTED, measured.hung)
    if measured.barred and item.clause.id != measured.judged_by:
        return blank(item, Status.NOT_APPLICABLE, measured.barred)
    if measured.unsteady and item.clause.id == GENERAL:
        return blank(item, Status.ABORTED, UNSTEADY)
    subject = measured.subject
    unmet = measured.unmet(item.clause)
    if unmet is not None:
        return blank(item, Status.NOT_APPLICABLE, unmet)
    miss = measured.near_miss(item.clause)
    if miss is not None:
        return blank(item, Status.VACUOUS, miss)
    budgeted = subject.prepared(subject.traits, Calls(settings.timeout))
    return searched(item, budgeted, measured.domain, settings, watcher, shared)


def _accepted(
    entry: Accepted,
    measured: Measured,
    item: Item,
    settings: Settings,
    watcher: Watcher,
    shared: SharedSearches,
) -> Verdict:
    """Return the verdict of an accepted violation: run its pinned case again, or search if no case was pinned."""
    outdated = entry.outdated(item.clause)
    if outdated is not None:
        return replace(blank(item, Status.ACCEPTED, outdated), stale=True)
    if entry.case is None or measured.hung is not None or measured.unmet(item.clause) is not None:
        return entry.settle(_about_subject(measured, item, settings, watcher, shared))
    began, case = time.perf_counter(), decode(entry.case)
    budgeted = measured.subject.prepared(measured.subject.traits, Calls(settings.timeout))
    try:
        verdict = _on_case(item, budgeted, case, settings)
    except SubjectStopped as hang:
        verdict = blank(item, Status.ABORTED, str(hang))
    return replace(entry.settle(verdict), seconds=time.perf_counter() - began)


def _about_reference(item: Item, settings: Settings, watcher: Watcher) -> Verdict:
    always = replace(settings, examples=settings.reference_examples, seed=SEED, database=None)
    return searched(item, None, Domain(), always, watcher)


def run_case(subject: Subject, item: Item, case: Any, settings: Settings) -> Verdict:
    """Return the verdict that exactly one case gives, without a search."""
    with kind_of(subject).at_work(), isolated():
        measured = measured_subject(subject, settings)
        bound = measured.subject if item.about is About.SUBJECT else None
        return _on_case(item, bound, case, settings)


def _on_case(item: Item, bound: Subject | None, case: Any, settings: Settings) -> Verdict:
    """Return the verdict that a saved case gives.

    Raises `UsageError` if the clause cannot examine the case: gdprops did not write such a file.
    """
    try:
        if bound is not None:
            case = kind_of(bound).filled(bound, case)
        evidence = judged(examiner(item, bound), case)
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        why = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise UsageError(f"the saved case does not fit {item.clause.id} ({why})") from error
    finding = Finding(examples=1, decisive=int(evidence.decisive), worst_ratio=evidence.ratio)
    finding.notes |= dict.fromkeys(evidence.notes)
    if evidence.violated:
        finding.case, finding.evidence = case, evidence
    elif evidence.silent:
        finding.case = case
        finding.evidence = violation(f"{evidence.silence.format(names=', '.join(sorted(evidence.silent)))} here")
    elif not evidence.decisive:
        finding.reasons[evidence.reason] += 1
    return judge(item, bound, finding, replace(settings, counterexamples=None))
