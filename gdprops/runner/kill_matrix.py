"""The kill matrix, which tests the specification itself: which clause refutes which fault, after how many examples.

The faults are faulty implementations in `gdprops.faults`. Each of them has correct twins, which no clause may accuse.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, final

from gdprops.clauses import catalogue
from gdprops.faults import bank
from gdprops.model.clause import Clause, View
from gdprops.model.domain import Domain
from gdprops.model.evidence import combine
from gdprops.model.item import Item
from gdprops.model.verdict import About
from gdprops.runner.items import cases_of, examiner, items_for
from gdprops.runner.search import Finding, search
from gdprops.runner.seeding import item_seed
from gdprops.runner.session import Measured, measured_subject
from gdprops.runner.settings import Settings
from gdprops.runner.shared_searches import SharedSearches
from gdprops.runner.stocks import search_dealt
from gdprops.runner.watcher import SILENT
from gdprops.strategies.dealing import dealing_of
from gdprops.subjects.user_code.isolation import isolated

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from gdprops.faults import Fault, Twin
    from gdprops.model.evidence import Evidence
    from gdprops.model.ledger import Ledger

SEEDS = (0, 1, 2, 3, 4)
EXAMPLES = 100
UNHURRIED = Settings(timeout=3600.0)
"""A generous time limit: a fault of the bank never hangs, and one budget counts for all clauses."""


@final
@dataclass(frozen=True, slots=True)
class Row:
    """A fault under a clause: after how many examples the clause refuted it, per seed; None where it did not."""

    fault: str
    clause: str
    killed_after: tuple[int | None, ...]

    @property
    def survived(self) -> bool:
        """Whether the fault survived at any seed."""
        return None in self.killed_after


@final
@dataclass(frozen=True, slots=True)
class Suspect:
    """A fault or a correct twin, measured once.

    It is a subject, a system that the clauses about the reference examine, or the ledgers of a watched script.
    """

    name: str
    measured: Measured | None
    system: Callable[[], Any] | None
    ledgers: tuple[Ledger, ...] = ()

    def excused(self, clause: Clause) -> str | None:
        """Return why a clause cannot judge this suspect, or None if it can."""
        if self.measured is None:
            return None
        return self.measured.hung or self.measured.unmet(clause) or self.measured.near_miss(clause)

    def judges(self) -> tuple[Clause, ...]:
        """Return every clause that can judge this suspect."""
        if self.measured is None:
            view = View.LIVE if self.ledgers else View.SYSTEM
            return tuple(clause for clause in catalogue() if clause.view is view)
        items = items_for(self.measured.subject, tuple(catalogue()))
        return tuple(i.clause for i in items if i.about is About.SUBJECT and self.excused(i.clause) is None)

    def searched(self, clause: Clause, seed: int, examples: int) -> Finding:
        """Return what a search with one clause finds about this suspect, without shrinking."""
        if self.ledgers:
            return _seen_in(clause, self.ledgers)
        examine, cases = self._bound(clause)
        drawn = item_seed(seed, self.name, clause.id)
        return search(examine, cases, examples=examples, seed=drawn, shrink=False)

    def searched_by_all(self, seed: int, examples: int) -> Iterator[tuple[Clause, Finding]]:
        """Yield what each clause that can judge this suspect finds.

        The clauses of a family look at the same cases, and those that need as many decks deal theirs from the same.
        """
        shared = None
        if self.measured is not None:
            items = [Item(clause, About.SUBJECT) for clause in self.judges()]
            settings = replace(UNHURRIED, seed=seed, examples=examples, strict=True)
            shared = SharedSearches(self.measured.subject, self.measured.domain, items, settings)
        for clause in self.judges():
            together = None if shared is None else shared.of(Item(clause, About.SUBJECT), SILENT)
            yield clause, self._among_others(clause, seed, examples) if together is None else together.finding

    def _among_others(self, clause: Clause, seed: int, examples: int) -> Finding:
        if self.ledgers:
            return self.searched(clause, seed, examples)
        examine, cases = self._bound(clause)
        dealing = dealing_of(cases)
        if dealing is None:
            return self.searched(clause, seed, examples)
        drawn = item_seed(seed, self.name, dealing.seeded_as)
        return search_dealt(examine, dealing, examples=examples, seed=drawn, shrink=False)

    def refuted(self, clause: Clause, seed: int, examples: int) -> Finding | None:
        """Return the same where the clause refutes it, else None; a clause that does not apply never does."""
        if self.excused(clause) is not None:
            return None
        finding = self.searched(clause, seed, examples)
        if finding.bug is not None:
            raise RuntimeError(f"{clause.id} failed on {self.name}:\n{finding.bug}")
        return None if finding.evidence is None else finding

    def _bound(self, clause: Clause) -> tuple[Callable[[Any], Evidence], SearchStrategy[Any]]:
        if self.measured is not None:
            item, subject = Item(clause, About.SUBJECT), self.measured.subject
            return examiner(item, subject), cases_of(item, subject, self.measured.domain)
        system = self.system() if self.system is not None else None
        return lambda case: clause.examine(system, case), clause.cases(Domain())


def _seen_in(clause: Clause, ledgers: Sequence[Ledger]) -> Finding:
    """Return what a clause finds in a watched script: the ledger is its only example, whatever the seed."""
    seen = combine(clause.examine(ledger, None) for ledger in ledgers)
    return Finding(examples=1, decisive=int(seen.decisive), evidence=seen if seen.violated else None)


def suspect(given: Fault | Twin) -> Suspect:
    """Build a fault or a twin and measure it; a script is run once and watched."""
    if given.script is not None:
        from gdprops.watching.session import watched, watched_ranks

        script, ranks = given.script, given.ranks
        ledgers = watched(script, copies=True) if ranks == 1 else watched_ranks(script, ranks)
        return Suspect(given.name, None, None, ledgers)
    measured = None if given.subject is None else measured_subject(given.subject(), UNHURRIED)
    return Suspect(given.name, measured, given.system)


def killed_after(accused: Suspect, clause: Clause, seed: int, examples: int = EXAMPLES) -> int | None:
    """Return after how many examples a clause refutes a suspect, None if it does not or cannot judge it.

    Raises `RuntimeError` if the clause itself fails.
    """
    finding = accused.refuted(clause, seed, examples)
    return None if finding is None else finding.examples


def kill_matrix(
    seeds: Sequence[int] = SEEDS,
    examples: int = EXAMPLES,
    on_row: Callable[[Row], None] = lambda row: None,
) -> tuple[Row, ...]:
    """Return the matrix: every fault under every clause that must refute it.

    Args:
        seeds: the seeds to try; each draws other examples.
        examples: the number of examples after which a fault counts as having survived.
        on_row: is called with every row as soon as it is done.
    """
    specification, rows = catalogue(), list[Row]()
    with isolated():
        for fault in bank():
            accused = suspect(fault)
            for clause in specification.refuting(fault.name):
                counts = tuple(killed_after(accused, clause, seed, examples) for seed in seeds)
                rows.append(Row(fault.name, clause.id, counts))
                on_row(rows[-1])
    return tuple(rows)


@final
@dataclass(frozen=True, slots=True)
class Accusation:
    """A false alarm: a clause reports a violation of a correct twin, or fails on it."""

    twin: str
    clause: str
    reason: str


def accusations(accused: Suspect, *, seed: int = 0, examples: int = EXAMPLES) -> tuple[Accusation, ...]:
    """Return what the clauses that apply say against a suspect; against a correct twin, all of it is false alarms."""
    with isolated():
        return tuple(
            Accusation(accused.name, clause.id, said)
            for clause, finding in accused.searched_by_all(seed, examples)
            if (said := _said(finding)) is not None
        )


def _said(finding: Finding) -> str | None:
    if finding.evidence is not None:
        return finding.evidence.reason or str(finding.evidence.location)
    return finding.bug
