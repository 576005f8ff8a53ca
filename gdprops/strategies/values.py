"""Values: small dyadic numbers and short decimals, one byte each.

Every choice is made from a deck, a draw of 64 random bytes (the cards): one card for each choice, and one for each
entry of a tensor. Hypothesis makes and shrinks such a draw about fifty times faster than a float per entry, and still
shrinks it entry by entry.
"""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, final

import numpy as np
from hypothesis import strategies as st

if TYPE_CHECKING:
    from gdprops.model.arrays import Array

_FAR = 10**30
"""Choices are drawn this far from zero.

Hypothesis mixes constants that it finds in local source files into small integers, and which files are local depends on
what is imported. At this distance it finds no constants: one seed gives the same cases from the command line, from
Python and from pytest.
"""


@cache
def choices(alternatives: int) -> st.SearchStrategy[int]:
    """Return a strategy for one of 0 … alternatives - 1, evenly. Shrinks towards 0."""
    return st.integers(_FAR, _FAR + alternatives - 1).map(lambda k: k - _FAR)


CARDS = 64
"""The number of cards in every deck. All decks have the same size because Hypothesis replaces draws by one another, and
a draw of another size by zeros."""


@cache
def decks() -> st.SearchStrategy[Deck]:
    """Return a strategy for decks. Shrinks every card towards 0, the first alternative.

    It is one object: Hypothesis examines every new strategy, which takes longer than drawing from it.
    """
    return st.binary(min_size=CARDS, max_size=CARDS).map(Deck)


@final
class Deck:
    """Random bytes (the cards), taken from the front one by one, again and again: each decides one thing."""

    def __init__(self, cards: bytes) -> None:
        self._cards, self._next = cards, 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Deck) and self._cards == other._cards

    def __hash__(self) -> int:
        return hash(self._cards)

    def take(self, count: int) -> bytes:
        """Return the next bytes; after the last comes the first."""
        size = len(self._cards)
        taken = (self._cards * (count // size + 2))[self._next % size : self._next % size + count]
        self._next += count
        return taken

    def again(self) -> Deck:
        """Return the whole deck, to be taken from the front once more."""
        return Deck(self._cards)

    def last(self, place: int = 1) -> Deck:
        """Return a card counted from the end as a deck of its own.

        This card decides the same thing however many cards were taken before, and shrinks alone.
        """
        return Deck(self._cards[len(self._cards) - place : len(self._cards) - place + 1])

    def choose(self, alternatives: int) -> int:
        """Return one of 0 … alternatives - 1, decided by the next card."""
        (card,) = self.take(1)
        return card % alternatives

    def happens(self, one_in: int) -> bool:
        """Return True for one card in ``one_in``. Shrinks towards False."""
        (card,) = self.take(1)
        return card % one_in == one_in - 1

    def numbers(self, table: Array, shape: tuple[int, ...]) -> Array:
        """Return an array of numbers from a table, one card for each entry."""
        cards = np.frombuffer(self.take(math.prod(shape)), dtype=np.uint8)
        numbers: Array = table[cards % len(table)].reshape(shape)
        return numbers


_RARE = 15
"""How many other numbers stand beside one zero: weights of zero switch a network off."""


def _with_rare_zero(numbers: list[float]) -> Array:
    return np.array(numbers * -(-_RARE // len(numbers)) + [0.0])


@cache
def dyadics(bits: int = 2, magnitude: float = 2.0) -> Array:
    """Return multiples of 2^-bits up to a magnitude, zero last: shrinks towards 1, -1, integers, then halves."""
    scale = 1 << bits
    whole = np.array([k / scale for k in range(1, int(magnitude * scale) + 1)])
    by_simplicity = sorted(whole, key=lambda v: (_granularity(v), v))
    return _with_rare_zero([s * v for v in by_simplicity for s in (1.0, -1.0)])


@cache
def centered_dyadics(bits: int = 2, magnitude: float = 2.0) -> Array:
    """Return the numbers of `dyadics` with zero first: shrinks towards 0, then 1 and integers. For targets."""
    return np.concatenate([[0.0], dyadics(bits, magnitude)[:-1]])


@cache
def decimals(magnitude: float = 2.0) -> Array:
    """Return multiples of 0.1 up to a magnitude, zero last: shrinks towards 1, -1, integers, then tenths."""
    tenths = [k / 10 for k in range(1, int(magnitude * 10) + 1)]
    by_simplicity = sorted(tenths, key=lambda v: (v != int(v), v))
    return _with_rare_zero([s * v for v in by_simplicity for s in (1.0, -1.0)])


def _granularity(value: float) -> int:
    bits = 0
    while value != int(value):
        value, bits = value * 2, bits + 1
    return bits


def as_precision(values: Array, precision: int) -> Array:
    """Return values in the dtype of a precision: float64 for 53 bits, float32 for 24."""
    return np.asarray(values, dtype=np.float64 if precision == 53 else np.float32)
