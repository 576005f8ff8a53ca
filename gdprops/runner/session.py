"""Run a subject's clauses and return the outcome.

An item is one clause about the subject or about the reference. For each item the session decides whether the clause
applies, searches for a violation, and turns the result into a verdict. A violation of a training step is explained
with further failing examples. `check_subject` runs all items in this process; `run_item` runs one of them.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from gdprops.clauses import catalogue
from gdprops.errors import SubjectCrash, SubjectStopped, UsageError
from gdprops.explanations.explanation import Explanation
from gdprops.kinds import kind_of
from gdprops.model.clause import Clause, View
from gdprops.model.domain import Domain
from gdprops.model.evidence import violation
from gdprops.model.item import Item
from gdprops.model.note import Note
from gdprops.model.outcome import Outcome
from gdprops.model.traits import Traits
from gdprops.model.verdict import About, Status, Verdict
from gdprops.numerics.known_wrong import comparison_works
from gdprops.runner.conclude import conclude
from gdprops.runner.counterexamples.encoding import decode
from gdprops.runner.example_databases import database_at
from gdprops.runner.explained_once import explained_once
from gdprops.runner.items import REFERENCE, cases_of, examiner, items_for
from gdprops.runner.pooled_examples import examples_of
from gdprops.runner.primary_violation import GENERAL
from gdprops.runner.search import Finding, judged, search, witnesses
from gdprops.runner.seeding import KeyedDatabase, item_seed
from gdprops.runner.shards import share
from gdprops.runner.verdicts import blank, judge
from gdprops.runner.watcher import SILENT, Watcher
from gdprops.subjects.user_code.calling import Calls
from gdprops.subjects.user_code.isolation import isolated

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

    def unmet(self, clause: Clause) -> str | None:
        """Return why a clause does not apply to the subject, or None if it applies."""
        return kind_of(self.subject).unmet(self.subject, self.domain, clause)

    def near_miss(self, clause: Clause) -> str | None:
        """Return why a clause cannot decide although it applies: the subject almost has the trait that it needs."""
        return clause.needs.near_miss(self.subject.traits, rule=self.subject.rule)


def run_item(subject: Subject, item: Item, settings: Settings, watcher: Watcher = SILENT) -> Verdict:
    """Return the verdict of one item. Process-wide state (random generators, default dtype, ...) is restored."""
    with isolated():
        measured = measured_subject(subject, settings) if item.about is About.SUBJECT else Measured(subject, Domain())
        return _verdict(measured, item, settings, watcher)


def check_subject(
    subject: Subject, *, clauses: str | Sequence[str] = "*", settings: Settings, watcher: Watcher = SILENT
) -> Outcome:
    """Return the outcome of a whole run in this process; ``fail_fast`` stops at the first red verdict."""
    items = share(items_for(subject, catalogue().select(clauses)), settings.shard)
    began, cpu = time.perf_counter(), time.process_time()
    with isolated():
        measured = measured_subject(subject, settings)
    verdicts = check_items(measured, items, settings, watcher)
    timing = {"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - cpu}
    return conclude(subject.name, settings, verdicts, timing)


def check_items(
    measured: Measured, items: Sequence[Item], settings: Settings, watcher: Watcher = SILENT
) -> list[Verdict]:
    """Return the verdicts of some items of a measured subject; ``fail_fast`` stops at the first red one."""
    verdicts: list[Verdict] = []
    with isolated():
        for index, item in enumerate(items):
            watcher.started(item, index, len(items))
            verdicts.append(_told_once(measured, item, items) or _verdict(measured, item, settings, watcher))
            watcher.finished(verdicts[-1])
            if settings.fail_fast and verdicts[-1].failed:
                break
    return verdicts


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
    full, verdicts = replace(settings, reference_examples=settings.examples), []
    began = time.perf_counter()
    with isolated():
        for index, item in enumerate(items):
            watcher.started(item, index, len(items))
            verdicts.append(_about_reference(item, full, watcher))
            watcher.finished(verdicts[-1])
    outcome = conclude(REFERENCE, settings, verdicts, {"seconds": time.perf_counter() - began})
    return replace(outcome, counted=About.REFERENCE)


BLINDED = "the subject has changed what gdprops compares with (a function of numpy was replaced)"
_MEASURED: list[tuple[Subject, float | None, Measured]] = []
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


def _measured(subject: Subject, settings: Settings) -> Measured:
    budgeted = subject.prepared(Traits(), Calls(TIMES_FOR_TRAITS * settings.timeout, "to show its traits"))
    try:
        found = kind_of(subject).measure(budgeted)
    except SubjectStopped as hang:
        return Measured(subject, Domain(), str(hang))
    prepared = subject.prepared(found.traits, Calls(settings.timeout))
    return Measured(prepared, found.domain, None, found.notes, found.barred, found.judged_by)


def _verdict(measured: Measured, item: Item, settings: Settings, watcher: Watcher) -> Verdict:
    if item.about is About.REFERENCE:
        return _about_reference(item, settings, watcher)
    left_out = settings.terms.excluded(item.clause)
    if left_out is not None:
        return blank(item, Status.NOT_APPLICABLE, left_out)
    entry = settings.terms.accepts(measured.subject.name, item.clause.id)
    if entry is not None:
        return _accepted(entry, measured, item, settings, watcher)
    verdict = _about_subject(measured, item, settings, watcher)
    verdict = replace(verdict, notes=(*measured.notes, *verdict.notes))
    return settings.terms.judged(item.clause, verdict, strict=settings.strict)


def _about_subject(measured: Measured, item: Item, settings: Settings, watcher: Watcher) -> Verdict:
    if measured.hung is not None:
        return blank(item, Status.ABORTED, measured.hung)
    if measured.barred and item.clause.id != measured.judged_by:
        return blank(item, Status.NOT_APPLICABLE, measured.barred)
    subject = measured.subject
    unmet = measured.unmet(item.clause)
    if unmet is not None:
        return blank(item, Status.NOT_APPLICABLE, unmet)
    miss = measured.near_miss(item.clause)
    if miss is not None:
        return blank(item, Status.VACUOUS, miss)
    budgeted = subject.prepared(subject.traits, Calls(settings.timeout))
    return _searched(item, budgeted, measured.domain, settings, watcher)


def _accepted(entry: Accepted, measured: Measured, item: Item, settings: Settings, watcher: Watcher) -> Verdict:
    """Return the verdict of an accepted violation: run its pinned case again, or search if no case was pinned."""
    outdated = entry.outdated(item.clause)
    if outdated is not None:
        return replace(blank(item, Status.ACCEPTED, outdated), stale=True)
    if entry.case is None or measured.hung is not None or measured.unmet(item.clause) is not None:
        return entry.settle(_about_subject(measured, item, settings, watcher))
    began, case = time.perf_counter(), decode(entry.case)
    budgeted = measured.subject.prepared(measured.subject.traits, Calls(settings.timeout))
    try:
        verdict = _on_case(item, budgeted, case, settings)
    except SubjectStopped as hang:
        verdict = blank(item, Status.ABORTED, str(hang))
    return replace(entry.settle(verdict), seconds=time.perf_counter() - began)


def _about_reference(item: Item, settings: Settings, watcher: Watcher) -> Verdict:
    quick = replace(settings, examples=settings.reference_examples)
    return _searched(item, None, Domain(), quick, watcher)


def _searched(item: Item, subject: Subject | None, domain: Domain, settings: Settings, watcher: Watcher) -> Verdict:
    name, began = REFERENCE if subject is None else subject.name, time.perf_counter()
    try:
        finding = search(
            examiner(item, subject),
            cases_of(item, subject, domain),
            examples=settings.examples,
            seed=None if settings.seed is None else item_seed(settings.seed, name, item.clause.id),
            database=_database(settings, name, item),
            on_example=watcher.example,
        )
    except SubjectStopped as hang:
        return replace(blank(item, Status.ABORTED, str(hang)), seconds=time.perf_counter() - began)
    if not comparison_works():
        return replace(blank(item, Status.ABORTED, BLINDED), seconds=time.perf_counter() - began)
    verdict = judge(item, subject, finding, settings)
    if verdict.status is Status.VIOLATED and subject is not None and kind_of(subject).explains(item.clause):
        verdict = _explained(verdict, item, subject, domain, finding)
    return replace(verdict, seconds=time.perf_counter() - began)


def _explained(verdict: Verdict, item: Item, subject: Subject, domain: Domain, finding: Finding) -> Verdict:
    """Draw more examples of a violation, and add an explanation to its verdict.

    If some wrong examples are of a kind that another clause is about, the verdict becomes vacuous instead.
    """
    try:
        more = witnesses(examiner(item, subject), cases_of(item, subject, domain))
        if more.elsewise or finding.elsewise:
            reason = "some wrong steps look like this, others do not: step.simultaneous compares whole steps"
            return replace(blank(item, Status.VACUOUS, reason), examples=finding.examples, decisive=finding.decisive)
        told = _instead(subject, domain, [finding.case, *more.failing])
    except SubjectCrash:
        return verdict
    except SubjectStopped as stop:
        told = Explanation(f"not explained: {stop}")
    except Exception as error:  # the violation stands, whatever becomes of its explanation
        place = traceback.extract_tb(error.__traceback__)[-1]
        bug = f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}"
        told = Explanation(f"not explained: a bug of gdprops ({bug}); please report it")
    return verdict if told is None else replace(verdict, explanation=told.text, explained_as=told.clause)


def _instead(subject: Subject, domain: Domain, failing: Sequence[Any]) -> Explanation | None:
    """Explain what a subject does instead; for equal subjects and failing examples the explanation is computed once."""
    kind = kind_of(subject)

    def find_out() -> Explanation | None:
        return kind.explain(subject, failing, lambda: examples_of(subject, domain, failing[0], failing[1:]))

    return explained_once(subject, failing, find_out) if kind.pools_examples else find_out()


def _database(settings: Settings, name: str, item: Item) -> KeyedDatabase | None:
    if settings.database is None or settings.seed is not None:
        return None
    return KeyedDatabase(database_at(settings.database, settings.share), name, item.clause.id)


def run_case(subject: Subject, item: Item, case: Any, settings: Settings) -> Verdict:
    """Return the verdict that exactly one case gives, without a search."""
    with isolated():
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
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
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
