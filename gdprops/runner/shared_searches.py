"""Searches that several clauses of a subject share: one case is drawn and run, and each clause looks at it.

The clauses with the same strategy of cases are a family. A clause that is violated in the shared search is searched
alone afterwards, from the same seed: it meets the same examples, and shrinks the failing one.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, final

from gdprops.clauses import catalogue
from gdprops.errors import SubjectStopped
from gdprops.kinds import kind_of
from gdprops.runner.family_search import search_together
from gdprops.runner.search import Finding
from gdprops.runner.seeding import item_seed
from gdprops.runner.witnesses import FOLLOWING
from gdprops.strategies.dealing import dealing_of
from gdprops.subjects.user_code.calling import Calls

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from gdprops.model.clause import Clause
    from gdprops.model.domain import Domain
    from gdprops.model.evidence import Evidence
    from gdprops.model.item import Item
    from gdprops.model.subject import Subject
    from gdprops.runner.settings import Settings
    from gdprops.runner.watcher import Watcher

PATIENCE = FOLLOWING
"""How many examples a family is examined on after one of its required clauses was violated."""


@final
@dataclass(slots=True)
class Shared:
    """What a shared search found about one clause.

    ``seconds``: this clause's part of the time; ``stopped``: why the subject was stopped, empty if it was not.
    """

    finding: Finding
    seed: int
    seconds: float = 0.0
    stopped: str = ""


@final
@dataclass(slots=True)
class SharedSearches:
    """The shared searches of one subject; each is made when the first of its clauses is asked for.

    ``lot``: what stands for the seed where none is set, another number in every run.
    """

    subject: Subject
    domain: Domain
    items: Sequence[Item]
    settings: Settings
    lot: int = field(default_factory=partial(secrets.randbits, 64))
    _found: dict[str, Shared] = field(default_factory=dict)

    def seed(self, clause: Clause) -> int:
        """Return the seed of a clause's examples: clauses that deal their cases from as many decks have one."""
        chosen = self.lot if self.settings.seed is None else self.settings.seed
        return examples_seed(chosen, self.subject, clause, kind_of(self.subject).cases(clause, self.domain))

    def has(self, item: Item) -> bool:
        """Say whether an item shares its search with others."""
        return item in self.items and len(self._family(item.clause)) > 1

    def of(self, item: Item, watcher: Watcher) -> Shared | None:
        """Return what a shared search found about an item, None where it shares none."""
        if item.clause.id not in self._found and self.has(item):
            self._found |= self._searched(self._family(item.clause), watcher)
        return self._found.get(item.clause.id)

    def _family(self, clause: Clause) -> list[Clause]:
        return [other.clause for other in self.items if _are_kin(self.subject, other.clause, clause)]

    def _searched(self, family: Sequence[Clause], watcher: Watcher) -> dict[str, Shared]:
        began, findings, stopped = time.perf_counter(), [Finding() for _ in family], ""
        settings, subject = self.settings, self.subject
        seed = self.seed(family[0])
        budgeted = subject.prepared(subject.traits, Calls(settings.timeout, shared_by=len(family)))
        kind = kind_of(subject)

        def examine(case: Any, which: Collection[int]) -> Mapping[int, Evidence | Exception]:
            return kind.examined_together(budgeted, {k: family[k] for k in which}, case)

        try:
            search_together(
                examine,
                kind.cases(family[0], self.domain),
                family,
                examples=settings.examples,
                seed=seed,
                patience=None if settings.strict else PATIENCE,
                on_example=watcher.example,
                findings=findings,
            )
        except SubjectStopped as stop:
            stopped = str(stop)
        seconds = (time.perf_counter() - began) / len(family)
        return {c.id: Shared(found, seed, seconds, stopped) for c, found in zip(family, findings, strict=True)}


def examples_seed(seed: int, subject: Subject, clause: Clause, cases: SearchStrategy[Any]) -> int:
    """Return the seed of the examples of a clause: it is that of its family, and of its number of decks."""
    dealing = dealing_of(cases)
    shared = family_name(subject, clause) if dealing is None else dealing.seeded_as
    return item_seed(seed, subject.identity.key, shared)


def family_name(subject: Subject, clause: Clause) -> str:
    """Return the name of a clause's family: the id of the first clause of the specification that belongs to it."""
    return next((other.id for other in catalogue() if _are_kin(subject, other, clause)), clause.id)


def _are_kin(subject: Subject, one: Clause, other: Clause) -> bool:
    kind = kind_of(subject)
    return kind.family(one) == kind.family(other)
