"""One run: which items a subject has, what each of them showed, and what that adds up to."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast, final

from hypothesis.database import DirectoryBasedExampleDatabase

from gdprops.adapters.backprop import Backprop
from gdprops.adapters.calling import Calls
from gdprops.adapters.isolation import isolated
from gdprops.adapters.probe import measure
from gdprops.adapters.subject_system import SubjectSystem
from gdprops.clauses import catalogue
from gdprops.errors import SubjectCrash, SubjectTimeout
from gdprops.model.clause import Clause, View
from gdprops.model.evidence import Evidence, combine
from gdprops.model.subject import Domain
from gdprops.model.traits import Traits
from gdprops.model.verdict import About, Outcome, Status, Verdict
from gdprops.numerics.decisions import DOUBLE, decisive_needed
from gdprops.numerics.numpy_system import NumpySystem
from gdprops.runner.conclude import conclude
from gdprops.runner.counterexample import counterexample_of
from gdprops.runner.encoding import decode
from gdprops.runner.explain import explain
from gdprops.runner.explain_backprop import explain as explain_backprop
from gdprops.runner.search import Finding, judged, search, witnesses
from gdprops.runner.seeding import KeyedDatabase, item_seed

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from gdprops.model.subject import Subject
    from gdprops.runner.accepted import Accepted
    from gdprops.runner.settings import Settings

REFERENCE = "the gdprops reference"
FACED = ("training-step", "backprop")
"""The kinds of subjects that are not fed gradients: clauses have faces of their own for them."""


@final
@dataclass(frozen=True, slots=True)
class Item:
    """One verdict to come: a clause, and whose it is."""

    clause: Clause
    about: About


class Watcher(Protocol):
    """Who wants to see a run's progress."""

    def started(self, item: Item, index: int, total: int) -> None:
        """An item begins."""

    def example(self, count: int) -> None:
        """An example was examined."""

    def finished(self, verdict: Verdict) -> None:
        """An item has its verdict."""


@final
class _Silent:
    def started(self, item: Item, index: int, total: int) -> None:
        """Say nothing."""

    def example(self, count: int) -> None:
        """Say nothing."""

    def finished(self, verdict: Verdict) -> None:
        """Say nothing."""


SILENT: Watcher = _Silent()


class SubjectWithDomain(Protocol):
    """A subject that knows what its cases must be: importing its class would import its framework."""

    @property
    def domain(self) -> Domain:
        """What the cases must be."""


class Measured(NamedTuple):
    """A subject with what the probe found, or why it found nothing."""

    subject: Subject
    domain: Domain
    hung: str | None = None

    def unmet(self, clause: Clause) -> str | None:
        """Return why a clause does not apply, or None where it does."""
        subject, face = self.subject, clause.face(self.subject.kind)
        if face is not None and (reason := face.unmet(subject)) is not None:
            return reason
        return clause.needs.unmet(subject.traits, self.domain, rule=subject.rule, kind=subject.kind)

    def near_miss(self, clause: Clause) -> str | None:
        """Return how the subject misses what the clause is about, where the clause cannot decide."""
        return clause.needs.near_miss(self.subject.traits, rule=self.subject.rule)


def items_for(subject: Subject, clauses: Sequence[Clause]) -> tuple[Item, ...]:
    """Return the subject's items, then the reference's, in the order of the specification."""
    faced = subject.kind in FACED
    chosen = [c for c in clauses if (c.face(subject.kind) if faced else _runs_on_optimizers(subject, c))]
    reference = [c for c in clauses if c.view is View.SYSTEM and subject.kind != "backprop"]
    return (*(Item(c, About.SUBJECT) for c in chosen), *(Item(c, About.REFERENCE) for c in reference))


def _runs_on_optimizers(subject: Subject, clause: Clause) -> bool:
    """Sweeps are mathematics of plain descent: they run through a subject that is declared to be that."""
    return clause.view is View.OPTIMIZER or (
        subject.rule == "sgd" and clause.needs.plain is True and clause.view is View.SYSTEM
    )


def run_item(subject: Subject, item: Item, settings: Settings, watcher: Watcher = SILENT) -> Verdict:
    """Return the verdict of one item. Leaves all process-wide state as it was."""
    with isolated():
        measured = measured_subject(subject, settings) if item.about is About.SUBJECT else Measured(subject, Domain())
        return _verdict(measured, item, settings, watcher)


def check_subject(
    subject: Subject, *, clauses: str | Sequence[str] = "*", settings: Settings, watcher: Watcher = SILENT
) -> Outcome:
    """Return the outcome of a whole run in this process; ``fail_fast`` stops at the first red verdict."""
    items = items_for(subject, catalogue().select(clauses))
    verdicts: list[Verdict] = []
    began, cpu = time.perf_counter(), time.process_time()
    with isolated():
        measured = measured_subject(subject, settings)
        for index, item in enumerate(items):
            watcher.started(item, index, len(items))
            verdicts.append(_verdict(measured, item, settings, watcher))
            watcher.finished(verdicts[-1])
            if settings.fail_fast and verdicts[-1].failed:
                break
    timing = {"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - cpu}
    return conclude(subject.name, settings, verdicts, timing)


def self_check(settings: Settings, watcher: Watcher = SILENT) -> Outcome:
    """Return the outcome of the reference on every clause that it can be held to, at the full number of examples."""
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


def measured_subject(subject: Subject, settings: Settings) -> Measured:
    """Probe a subject once, within the time of one clause."""
    budgeted = subject.prepared(Traits(), Calls(settings.timeout))
    if isinstance(subject, Backprop):
        return Measured(budgeted, Domain(precisions=(DOUBLE,), layout=subject.layout))
    if budgeted.kind in FACED:
        return Measured(budgeted, cast("SubjectWithDomain", budgeted).domain)
    try:
        traits, domain = measure(budgeted)
    except SubjectTimeout as hang:
        return Measured(subject, Domain(), str(hang))
    return Measured(subject.prepared(traits, Calls(settings.timeout)), domain)


def _verdict(measured: Measured, item: Item, settings: Settings, watcher: Watcher) -> Verdict:
    if item.about is About.REFERENCE:
        return _about_reference(item, settings, watcher)
    left_out = settings.terms.excluded(item.clause)
    if left_out is not None:
        return _blank(item, Status.NOT_APPLICABLE, left_out)
    entry = settings.terms.accepts(measured.subject.name, item.clause.id)
    if entry is not None:
        return _accepted(entry, measured, item, settings, watcher)
    verdict = _about_subject(measured, item, settings, watcher)
    return settings.terms.judged(item.clause, verdict, strict=settings.strict)


def _about_subject(measured: Measured, item: Item, settings: Settings, watcher: Watcher) -> Verdict:
    if measured.hung is not None:
        return _blank(item, Status.ABORTED, measured.hung)
    subject = measured.subject
    unmet = measured.unmet(item.clause)
    if unmet is not None:
        return _blank(item, Status.NOT_APPLICABLE, unmet)
    miss = measured.near_miss(item.clause)
    if miss is not None:
        return _blank(item, Status.VACUOUS, miss)
    budgeted = subject.prepared(subject.traits, Calls(settings.timeout))
    return _searched(item, budgeted, measured.domain, settings, watcher)


def _accepted(entry: Accepted, measured: Measured, item: Item, settings: Settings, watcher: Watcher) -> Verdict:
    """Run the pinned case again instead of a search; without one, search."""
    outdated = entry.outdated(item.clause)
    if outdated is not None:
        return replace(_blank(item, Status.ACCEPTED, outdated), stale=True)
    if entry.case is None or measured.hung is not None or measured.unmet(item.clause) is not None:
        return entry.settle(_about_subject(measured, item, settings, watcher))
    began, case = time.perf_counter(), decode(entry.case)
    budgeted = measured.subject.prepared(measured.subject.traits, Calls(settings.timeout))
    try:
        verdict = _on_case(item, budgeted, case, settings)
    except SubjectTimeout as hang:
        verdict = _blank(item, Status.ABORTED, str(hang))
    return replace(entry.settle(verdict), seconds=time.perf_counter() - began)


def _blank(item: Item, status: Status, reason: str) -> Verdict:
    clause = item.clause
    return Verdict(clause.id, item.about, clause.level, status, clause.statement, reason=reason)


def _about_reference(item: Item, settings: Settings, watcher: Watcher) -> Verdict:
    quick = replace(settings, examples=settings.reference_examples)
    return _searched(item, None, Domain(), quick, watcher)


def examiner(item: Item, subject: Subject | None) -> Callable[[Any], Evidence]:
    """Return the clause's check bound to what it looks at: the subject, sweeps through it, or both references."""
    examine = item.clause.examine
    if subject is None:
        from gdprops.numerics.torch_system import TorchSystem

        systems = (NumpySystem(), TorchSystem())
        return lambda case: combine(examine(system, case) for system in systems)
    face = item.clause.face(subject.kind)
    if face is not None:
        return partial(face.examine, subject)
    if item.clause.view is View.SYSTEM:
        return lambda case: examine(SubjectSystem(subject), case)
    return lambda case: examine(subject, case)


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
    except SubjectTimeout as hang:
        return replace(_blank(item, Status.ABORTED, str(hang)), seconds=time.perf_counter() - began)
    verdict = _judge(item, subject, finding, settings)
    if verdict.status is Status.VIOLATED and subject is not None and subject.kind in FACED:
        verdict = _explained(verdict, item, subject, domain, finding)
    return replace(verdict, seconds=time.perf_counter() - began)


def _explained(verdict: Verdict, item: Item, subject: Any, domain: Domain, finding: Finding) -> Verdict:
    """Look at more failing examples: is it what the clause is about, and what does the step do instead?"""
    more = witnesses(examiner(item, subject), cases_of(item, subject, domain))
    if more.elsewise or finding.elsewise:
        reason = "some wrong steps look like this, others do not: another clause says what is wrong"
        return replace(_blank(item, Status.VACUOUS, reason), examples=finding.examples, decisive=finding.decisive)
    told = explain_backprop if isinstance(subject, Backprop) else explain
    try:
        return replace(verdict, explanation=told(subject, [finding.case, *more.failing]))
    except SubjectCrash:
        return verdict


def cases_of(item: Item, subject: Subject | None, domain: Domain) -> SearchStrategy[Any]:
    """Return the strategy that draws an item's cases."""
    face = None if subject is None else item.clause.face(subject.kind)
    return item.clause.cases(domain) if face is None else face.cases(domain)


def _database(settings: Settings, name: str, item: Item) -> KeyedDatabase | None:
    if settings.database is None or settings.seed is not None:
        return None
    return KeyedDatabase(DirectoryBasedExampleDatabase(settings.database), name, item.clause.id)


def _judge(item: Item, subject: Subject | None, finding: Finding, settings: Settings) -> Verdict:
    """Turn what was found into a verdict."""
    counted = replace(
        _blank(item, Status.HELD, ""),
        examples=finding.examples,
        decisive=finding.decisive,
        worst_ratio=finding.worst_ratio,
        vacuous_reasons=dict(finding.reasons.most_common()),
    )
    if finding.bug is not None:
        return replace(counted, status=Status.ERROR, reason=finding.bug)
    if finding.evidence is not None:
        return _violated(counted, item, subject, finding, settings)
    needed = decisive_needed(finding.examples)
    if finding.decisive < needed or not finding.examples:
        most = finding.reasons.most_common(1)
        reason = f"{finding.decisive} of {finding.examples} examples decisive, {needed} needed"
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
        counterexample=counterexample_of(item, subject, finding.case, settings, examiner),
    )


def run_case(subject: Subject, item: Item, case: Any, settings: Settings) -> Verdict:
    """Return the verdict of exactly one case, without a search."""
    with isolated():
        measured = measured_subject(subject, settings)
        bound = measured.subject if item.about is About.SUBJECT else None
        return _on_case(item, bound, case, settings)


def _on_case(item: Item, bound: Subject | None, case: Any, settings: Settings) -> Verdict:
    evidence = judged(examiner(item, bound), case)
    finding = Finding(examples=1, decisive=int(evidence.decisive), worst_ratio=evidence.ratio)
    if evidence.violated:
        finding.case, finding.evidence = case, evidence
    elif not evidence.decisive:
        finding.reasons[evidence.reason] += 1
    return _judge(item, bound, finding, replace(settings, counterexamples=None))
