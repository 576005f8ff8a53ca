"""The verdict of one item: search for a violation of its clause, alone or together with others, and explain it."""

from __future__ import annotations

import time
import traceback
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gdprops.errors import SubjectCrash, SubjectStopped
from gdprops.explanations.explanation import Explanation
from gdprops.kinds import kind_of
from gdprops.model.identity import Identity
from gdprops.model.verdict import Status, Verdict
from gdprops.numerics.known_wrong import comparison_works
from gdprops.runner.example_databases import database_at
from gdprops.runner.explained_once import explained_once
from gdprops.runner.further_examples import following, witnesses
from gdprops.runner.items import REFERENCE, cases_of, examiner
from gdprops.runner.pooled_examples import examples_of
from gdprops.runner.search import Finding, search, size
from gdprops.runner.seeding import KeyedDatabase, item_seed
from gdprops.runner.shared_searches import family_seed
from gdprops.runner.verdicts import blank, judge
from gdprops.runner.witnesses import Witnesses
from gdprops.subjects.user_code.process_changes import CHANGES, SPOILT

if TYPE_CHECKING:
    from gdprops.model.domain import Domain
    from gdprops.model.item import Item
    from gdprops.model.subject import Subject
    from gdprops.runner.settings import Settings
    from gdprops.runner.shared_searches import Shared, SharedSearches
    from gdprops.runner.watcher import Watcher


def searched(
    item: Item,
    subject: Subject | None,
    domain: Domain,
    settings: Settings,
    watcher: Watcher,
    searches: SharedSearches | None = None,
) -> Verdict:
    """Return the verdict of an item about the subject, or about the reference where ``subject`` is None."""
    began, waited, stopped, shared = time.perf_counter(), 0.0, "", None
    try:
        saved = _saved_failure(item, subject, domain, settings) if searches is not None and searches.has(item) else None
        shared = searches.of(item, watcher) if saved is None and searches is not None else None
        if shared is not None:
            began, waited, stopped = time.perf_counter(), shared.seconds, shared.stopped
        finding = saved or _found(item, subject, domain, settings, watcher, shared)
    except SubjectStopped as hang:
        finding, stopped = Finding(), str(hang)
    if finding.evidence is None and stopped:
        verdict = blank(item, Status.ABORTED, stopped)
    elif spoilt := _spoilt(finding):
        verdict = blank(item, Status.NOT_APPLICABLE if subject is None else Status.ABORTED, spoilt)
    else:
        verdict = judge(item, subject, finding, settings)
    if verdict.status is Status.VIOLATED and subject is not None and kind_of(subject).explains(item.clause):
        verdict = _explained(verdict, item, subject, domain, settings, finding, shared)
    return replace(verdict, seconds=waited + time.perf_counter() - began)


def _found(
    item: Item, subject: Subject | None, domain: Domain, settings: Settings, watcher: Watcher, shared: Shared | None
) -> Finding:
    """Return what the search for a violation found; after a shared search only a failing case is searched again."""
    if shared is not None and (shared.finding.evidence is None or shared.finding.of_the_run):
        return shared.finding
    return search(
        examiner(item, subject),
        cases_of(item, subject, domain),
        examples=settings.examples,
        seed=_seed(item, subject, settings) if shared is None else shared.seed,
        database=_database(item, subject, settings),
        on_example=watcher.example,
    )


def _saved_failure(item: Item, subject: Subject | None, domain: Domain, settings: Settings) -> Finding | None:
    """Try the failing examples of earlier runs; return what they show, None where none of them fails any more."""
    database = _database(item, subject, settings)
    if database is None:
        return None
    check, cases = examiner(item, subject), cases_of(item, subject, domain)
    finding = search(check, cases, examples=settings.examples, database=database, saved_only=True)
    return None if finding.evidence is None and finding.bug is None else finding


def _seed(item: Item, subject: Subject | None, settings: Settings) -> int | None:
    if settings.seed is None:
        return None
    if subject is None:
        return item_seed(settings.seed, Identity(REFERENCE).key, item.clause.id)
    return family_seed(settings, subject, item.clause)


def _database(item: Item, subject: Subject | None, settings: Settings) -> KeyedDatabase | None:
    identity = Identity(REFERENCE) if subject is None else subject.identity
    if settings.database is None or settings.seed is not None or not identity.is_lasting:
        return None
    return KeyedDatabase(database_at(settings.database, settings.share), identity.key, item.clause.id)


def _spoilt(finding: Finding) -> str:
    """Say what the subject has changed, where nothing that was found means anything for that reason."""
    if not comparison_works():
        return CHANGES.told() or f"{SPOILT} (a function of numpy was replaced)"
    return CHANGES.told(of_gdprops=finding.bug is None)


def _further(
    item: Item, subject: Subject, domain: Domain, settings: Settings, finding: Finding, shared: Shared | None
) -> Witnesses:
    """Return what the examples after the violation show, the same ones for a clause alone and in its family."""
    if shared is not None:
        return shared.finding.further
    seed = _seed(item, subject, settings)
    if seed is None:
        return Witnesses()
    check, cases = examiner(item, subject), cases_of(item, subject, domain)
    return following(check, cases, examples=settings.examples, seed=seed, after=finding.examples)


def _explained(
    verdict: Verdict,
    item: Item,
    subject: Subject,
    domain: Domain,
    settings: Settings,
    finding: Finding,
    shared: Shared | None,
) -> Verdict:
    """Draw more examples of a violation where few are known, and add an explanation to its verdict.

    If some wrong examples are of a kind that another clause is about, the verdict becomes vacuous instead.
    """
    try:
        further = _further(item, subject, domain, settings, finding, shared)
        more = witnesses(examiner(item, subject), cases_of(item, subject, domain), further)
        if more.elsewise or finding.elsewise:
            reason = "some wrong steps look like this, others do not: step.simultaneous compares whole steps"
            return replace(blank(item, Status.VACUOUS, reason), examples=finding.examples, decisive=finding.decisive)
        told = _instead(subject, domain, [finding.case, *sorted(more.failing, key=size, reverse=True)])
    except SubjectCrash:
        return verdict
    except SubjectStopped as stop:
        told = Explanation(f"not explained: {stop}")
    except Exception as error:  # the violation stands, whatever becomes of its explanation
        place = traceback.extract_tb(error.__traceback__)[-1]
        bug = f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}"
        told = Explanation(f"not explained: a bug of gdprops ({bug}); please report it")
    if told is None:
        return verdict
    return replace(verdict, explanation=told.text, explained_as=told.clause, places=told.places)


def _instead(subject: Subject, domain: Domain, failing: Sequence[Any]) -> Explanation | None:
    """Explain what a subject does instead; for equal subjects and failing examples the explanation is computed once."""
    kind = kind_of(subject)

    def find_out() -> Explanation | None:
        return kind.explain(subject, failing, lambda: examples_of(subject, domain, failing[0], failing[1:]))

    return explained_once(subject, failing, find_out) if kind.pools_examples else find_out()
