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
from gdprops.runner.shared_searches import examples_seed
from gdprops.runner.stocks import search_dealt
from gdprops.runner.verdicts import blank, judge
from gdprops.runner.witnesses import Witnesses
from gdprops.strategies.dealing import dealing_of
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
    began, waited, stopped, shared, seed = time.perf_counter(), 0.0, "", None, None
    try:
        seed = _seed(item, subject, domain, settings, searches)
        saved = _saved_failure(item, subject, domain, settings) if seed is not None else None
        seed = seed if saved is None else None
        shared = searches.of(item, watcher) if saved is None and searches is not None else None
        if shared is not None:
            began, waited, stopped = time.perf_counter(), shared.seconds, shared.stopped
        finding = saved or _found(item, subject, domain, settings, watcher, shared, seed)
    except SubjectStopped as hang:
        finding, stopped = Finding(), str(hang)
    if finding.evidence is None and stopped:
        verdict = blank(item, Status.ABORTED, stopped)
    elif spoilt := _spoilt(finding):
        verdict = blank(item, Status.NOT_APPLICABLE if subject is None else Status.ABORTED, spoilt)
    else:
        verdict = judge(item, subject, finding, settings)
    if verdict.status is Status.VIOLATED and subject is not None and kind_of(subject).explains(item.clause):
        verdict = _explained(verdict, item, subject, domain, settings, finding, shared, seed)
    return replace(verdict, seconds=waited + time.perf_counter() - began)


def _found(
    item: Item,
    subject: Subject | None,
    domain: Domain,
    settings: Settings,
    watcher: Watcher,
    shared: Shared | None,
    seed: int | None,
) -> Finding:
    """Return what the search for a violation found; after a shared search only a failing case is searched again."""
    if shared is not None and (shared.finding.evidence is None or shared.finding.of_the_run):
        return shared.finding
    check, cases, database = (
        examiner(item, subject),
        cases_of(item, subject, domain),
        _database(item, subject, settings),
    )
    seed = seed if shared is None else shared.seed
    dealing = dealing_of(cases) if shared is None else None
    if dealing is None or seed is None:
        return search(
            check, cases, examples=settings.examples, seed=seed, database=database, on_example=watcher.example
        )
    return search_dealt(
        check, dealing, examples=settings.examples, seed=seed, database=database, on_example=watcher.example
    )


def _saved_failure(item: Item, subject: Subject | None, domain: Domain, settings: Settings) -> Finding | None:
    """Try the failing examples of earlier runs; return what they show, None where none of them fails any more."""
    database = _database(item, subject, settings)
    if database is None:
        return None
    check, cases = examiner(item, subject), cases_of(item, subject, domain)
    finding = search(check, cases, examples=settings.examples, database=database, saved_only=True)
    return None if finding.evidence is None and finding.bug is None else finding


def _seed(
    item: Item, subject: Subject | None, domain: Domain, settings: Settings, searches: SharedSearches | None
) -> int | None:
    """Return the seed of an item's examples, None where Hypothesis chooses them, and tries saved ones first.

    Clauses that deal their cases from as many decks have one seed. Where none is set, those that share anything have
    one that is new in every run.
    """
    cases = cases_of(item, subject, domain)
    dealing, chosen = dealing_of(cases), settings.seed
    if chosen is None and searches is not None and (dealing is not None or searches.has(item)):
        chosen = searches.lot
    if chosen is None:
        return None
    if subject is not None:
        return examples_seed(chosen, subject, item.clause, cases)
    return item_seed(chosen, Identity(REFERENCE).key, item.clause.id if dealing is None else dealing.seeded_as)


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
    item: Item,
    subject: Subject,
    domain: Domain,
    settings: Settings,
    finding: Finding,
    shared: Shared | None,
    seed: int | None,
) -> Witnesses:
    """Return what the examples after the violation show, the same ones for a clause alone and in its family."""
    if shared is not None:
        return shared.finding.further
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
    seed: int | None,
) -> Verdict:
    """Draw more examples of a violation where few are known, and add an explanation to its verdict.

    If some wrong examples are of a kind that another clause is about, the verdict becomes vacuous instead.
    """
    try:
        further = _further(item, subject, domain, settings, finding, shared, seed)
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
