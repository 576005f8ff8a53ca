"""Collect the examples in which an explanation of a training step must hold.

They come from several clauses: an explanation that holds only in the cases of one clause may be a coincidence.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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


def examples_of(subject: Any, domain: Domain, shrunk: Any, own: Sequence[Any]) -> Iterator[Any]:
    """Yield examples, the most informative first.

    These are networks made to distinguish hypotheses, the shrunk counterexample, the largest failing examples of the
    clause, and cases of other clauses. The first are left out for a subject with the user's own model.
    """
    if isinstance(shrunk, TrainCase):
        yield from distinguishing_cases(domain.window, means=domain.means, equal=domain.equal)
    yield shrunk
    yield from own[:OWN]
    yield from _pooled(subject, domain)


def _pooled(subject: Any, domain: Domain) -> Iterator[Any]:
    """Yield cases of the clauses in `POOL` in turn, the largest of each clause first."""
    kinds = [_drawn(subject, domain, clause) for clause in POOL if _applies(subject, domain, clause)]
    for k in range(DRAWN):
        yield from (cases[k] for cases in kinds if k < len(cases))


def _applies(subject: Any, domain: Domain, clause: str) -> bool:
    kind, chosen = kind_of(subject), catalogue()[clause]
    return kind.applies(subject, chosen) and kind.unmet(subject, domain, chosen) is None


def _drawn(subject: Any, domain: Domain, clause: str) -> list[Any]:
    cases: list[Any] = []

    def seen(case: Any) -> Evidence:
        cases.append(case)
        return agreement()

    search(
        seen, cases_of(Item(catalogue()[clause], About.SUBJECT), subject, domain), examples=DRAWN, seed=0, shrink=False
    )
    return sorted(cases, key=size, reverse=True)
