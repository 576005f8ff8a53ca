"""The decks of a search, kept for the clauses that deal their cases from as many of them.

The first clause searches with Hypothesis, and its decks are kept if it finds nothing. Those after it look through what
they deal from these decks, which are what Hypothesis would draw for them from the same seed. A clause that is violated
there is searched with Hypothesis after all, which shrinks the failing case.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, final

import numpy as np

from gdprops.runner.search import Finding, judged, look_through, search
from gdprops.strategies.dealing import Dealing, Hand, hands

if TYPE_CHECKING:
    from hypothesis.database import ExampleDatabase

    from gdprops.model.evidence import Evidence

KEPT_STOCKS = 4
"""How many stocks are kept: a subject and the reference, each with two numbers of decks."""
KEPT_DEALINGS = 4
"""Of how many clauses, whose cases differ, a stock keeps the cases that were dealt."""


@final
@dataclass(slots=True)
class Stock:
    """The decks that one seed draws, empty until a search has drawn all of them."""

    hands: list[Hand] = field(default_factory=list)
    _dealt: list[tuple[Dealing, list[Any]]] = field(default_factory=list)

    def fill(self, drawn: list[Hand], dealing: Dealing, cases: list[Any]) -> None:
        """Keep the decks that a search has drawn, and the cases that it has dealt from them."""
        self.hands = drawn
        self._dealt[:] = [*self._dealt[1 - KEPT_DEALINGS :], (dealing, cases)]

    def cases(self, dealing: Dealing) -> Iterator[Any]:
        """Yield the cases that are dealt from these decks; equal dealings share them."""
        known = next((cases for other, cases in self._dealt if other == dealing), None)
        if known is None:
            known = []
            self._dealt[:] = [*self._dealt[1 - KEPT_DEALINGS :], (dealing, known)]
        for k, hand in enumerate(self.hands):
            if k == len(known):
                known.append(dealing.case(hand))
            yield known[k]


_STOCKS: dict[tuple[int, int, int], Stock] = {}


def stock_of(seed: int, count: int, examples: int) -> Stock:
    """Return the stock of a seed, for examples of so many decks."""
    key = (seed, count, examples)
    found = _STOCKS.pop(key, None) or Stock()
    while len(_STOCKS) >= KEPT_STOCKS:
        del _STOCKS[next(iter(_STOCKS))]
    _STOCKS[key] = found
    return found


def search_dealt(
    examine: Callable[[Any], Evidence],
    dealing: Dealing,
    *,
    examples: int,
    seed: int,
    database: ExampleDatabase | None = None,
    shrink: bool = True,
    on_example: Callable[[int], None] = lambda count: None,
) -> Finding:
    """Return what `search` finds in dealt cases; decks are drawn only where no search has drawn all of them."""
    stock, told = stock_of(seed, dealing.count, examples), list["Evidence"]()
    drawn, cases = list[Hand](), list[Any]()
    if stock.hands:
        finding = look_through(_keeping(examine, told), stock.cases(dealing), on_example)
        if finding.evidence is None or finding.of_the_run or not shrink:
            return finding

    def case(hand: Hand) -> Any:
        drawn.append(hand)
        cases.append(dealing.case(hand))
        return cases[-1]

    def check(drawn_case: Any) -> Evidence:
        k = len(drawn) - 1
        return told[k] if k < len(told) and drawn[k] == stock.hands[k] else examine(drawn_case)

    found = search(
        check,
        hands(dealing.count).map(case),
        examples=examples,
        seed=seed,
        database=database,
        shrink=shrink,
        on_example=on_example,
    )
    if len(drawn) == found.examples == examples and found.bug is None and (found.evidence is None or found.of_the_run):
        stock.fill(drawn, dealing, cases)
    return found


def _keeping(examine: Callable[[Any], Evidence], told: list[Evidence]) -> Callable[[Any], Evidence]:
    """Return the check, which also keeps what it says; in each example random numbers begin as they do in a search."""

    def check(case: Any) -> Evidence:
        random.seed(0)
        np.random.seed(0)
        told.append(judged(examine, case))
        return told[-1]

    return check
