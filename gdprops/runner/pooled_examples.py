"""Collect the examples in which an explanation of a training step must hold.

They come from several clauses: an explanation that holds only in the cases of one clause may be a coincidence.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice, zip_longest
from typing import TYPE_CHECKING, Any

from gdprops.clauses import catalogue
from gdprops.kinds import kind_of
from gdprops.model.case import TrainCase
from gdprops.model.evidence import Evidence, agreement
from gdprops.model.item import Item
from gdprops.model.verdict import About
from gdprops.runner.items import cases_of
from gdprops.runner.search import search, size
from gdprops.strategies.distinguishing_networks import distinguishing_cases

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from gdprops.model.domain import Domain

POOL = (
    "step.simultaneous",
    "step.frozen-untouched",
    "step.accumulation",
    "step.clipping",
    "gradient.matches-loss",
)
"""Clauses with cases of other kinds; what holds in these holds in all."""
DRAWN, OWN = 20, 3
KEPT = 16
"""How many lists of drawn cases are remembered: a domain has one for each clause in `POOL`."""
_DRAWN: list[tuple[Domain, str, Sequence[Any]]] = []


def examples_of(subject: Any, domain: Domain, shrunk: Any, own: Sequence[Any]) -> Iterator[Any]:
    """Yield examples, the most informative first: of every kind one, before there are more of any.

    These are networks made to distinguish hypotheses, the shrunk counterexample, one case of each other clause, the
    largest failing examples of the clause, and further cases of other clauses. The first are left out for a subject
    with the user's own model, which may be large: of it no case is drawn before those that are there were tried.
    """
    if isinstance(shrunk, TrainCase):
        yield from distinguishing_cases(domain.window, means=domain.means, equal=domain.equal)
    yield shrunk
    kinds = [_largest_first(subject, domain, clause) for clause in POOL if _applies(subject, domain, clause)]
    for cases in kinds if domain.own is None else ():
        yield from islice(cases, 1)
    yield from own[:OWN]
    for turn in zip_longest(*kinds):
        yield from (case for case in turn if case is not None)


def _applies(subject: Any, domain: Domain, clause: str) -> bool:
    kind, chosen = kind_of(subject), catalogue()[clause]
    return kind.applies(subject, chosen) and kind.unmet(subject, domain, chosen) is None


def _largest_first(subject: Any, domain: Domain, clause: str) -> Iterator[Any]:
    """Yield the cases of a clause, which are drawn when the first is asked for."""
    yield from _drawn(subject, domain, clause)


def _drawn(subject: Any, domain: Domain, clause: str) -> Sequence[Any]:
    """Return the cases of a clause; those of gdprops' own models are drawn once for all subjects of a domain."""
    strategy = cases_of(Item(catalogue()[clause], About.SUBJECT), subject, domain)
    if domain.own is not None:
        return _sorted_cases(strategy)
    for known, its_clause, cases in _DRAWN:
        if known == domain and its_clause == clause:
            return cases
    cases = _sorted_cases(strategy)
    _DRAWN[:] = [*_DRAWN[1 - KEPT :], (domain, clause, cases)]
    return cases


def _sorted_cases(strategy: SearchStrategy[Any]) -> tuple[Any, ...]:
    cases: list[Any] = []

    def seen(case: Any) -> Evidence:
        cases.append(case)
        return agreement()

    search(seen, strategy, examples=DRAWN, seed=0, shrink=False)
    return tuple(sorted(cases, key=size, reverse=True))
