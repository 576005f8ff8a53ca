"""Strategies in two parts: decks, which are drawn, and what is dealt from them.

A clause deals its cases from a fixed number of decks. So the decks of one search serve every clause that needs as many:
each deals cases of its own kind from them, and nothing is drawn again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, final
from weakref import WeakKeyDictionary

from hypothesis import strategies as st

from gdprops.strategies.values import Deck, decks

Hand = tuple[Deck, ...]
"""The decks of one example."""


@final
@dataclass(frozen=True, slots=True)
class Dealing:
    """How a case is dealt: ``make(draw, *given)``, where ``draw`` gives one of ``count`` decks at every call.

    Two dealings are equal where they deal equal cases from equal decks.
    """

    count: int
    make: Callable[..., Any]
    given: tuple[Any, ...]

    @property
    def seeded_as(self) -> str:
        """What stands in a seed for all who deal from so many decks."""
        return f"a hand of {self.count}"

    def case(self, hand: Hand) -> Any:
        """Return the case that is dealt from a hand, whose decks are taken from the front."""
        dealer = map(Deck.again, hand)
        return self.make(lambda strategy: next(dealer), *self.given)


_DEALINGS: WeakKeyDictionary[st.SearchStrategy[Any], Dealing] = WeakKeyDictionary()


@cache
def hands(count: int) -> st.SearchStrategy[Hand]:
    """Return a strategy for so many decks. Shrinks every card towards 0."""
    return st.tuples(*[decks()] * count)


def dealt(count: int, make: Callable[..., Any], *given: Any) -> st.SearchStrategy[Any]:
    """Return a strategy for the cases ``make(draw, *given)``, which draws at most ``count`` decks, and nothing else."""
    dealing = Dealing(count, make, given)
    strategy = hands(count).map(dealing.case)
    _DEALINGS[strategy] = dealing
    return strategy


def dealing_of(strategy: st.SearchStrategy[Any]) -> Dealing | None:
    """Return how a strategy deals its cases, None for one that draws otherwise."""
    return _DEALINGS.get(strategy)
