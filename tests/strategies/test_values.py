"""Values and decks: small readable numbers, one byte each, the simplest first."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gdprops.strategies.values import (
    CARDS,
    Deck,
    as_precision,
    centered_dyadics,
    choices,
    decimals,
    decks,
    dyadics,
)
from tests.quality.drawing import drawn, minimal


@pytest.mark.parametrize(
    ("bits", "first"),
    [
        (0, [1.0, -1.0, 2.0, -2.0]),
        (1, [1.0, -1.0, 2.0, -2.0, 0.5, -0.5, 1.5, -1.5]),
        (2, [1.0, -1.0, 2.0, -2.0, 0.5, -0.5, 1.5, -1.5, 0.25, -0.25]),
    ],
)
def test_dyadics_begin_with_one_then_integers_then_halves(bits: int, first: list[float]) -> None:
    table = dyadics(bits, 2.0)
    assert table[: len(first)].tolist() == first
    assert set(np.abs(table)) == {k / 2**bits for k in range(2 * 2**bits + 1)}
    assert table[-1] == 0.0
    assert (table == 0).mean() <= 1 / 15, "weights of zero switch a network off"


def test_targets_begin_with_zero() -> None:
    table = centered_dyadics(1, 2.0)
    assert table[:3].tolist() == [0.0, 1.0, -1.0]
    assert sorted(set(table)) == sorted(set(dyadics(1, 2.0)))


def test_decimals_are_tenths_integers_first() -> None:
    table = decimals(2.0)
    assert table[:6].tolist() == [1.0, -1.0, 2.0, -2.0, 0.1, -0.1]
    assert set(np.round(np.abs(table) * 10)) == set(range(21))


@given(decks())
def test_a_deck_repeats_itself_and_its_last_card_stays(deck: Deck) -> None:
    whole = deck.again().take(CARDS)
    assert deck.take(CARDS + 3) == whole + whole[:3]
    assert deck.take(2) == whole[3:5]
    assert deck.again().take(1) == whole[:1]
    assert deck.last().take(2) == whole[-1:] * 2


@given(st.integers(0, 255), st.integers(1, 9))
def test_a_card_decides_evenly_and_zero_is_the_first_alternative(card: int, alternatives: int) -> None:
    assert Deck(bytes([card])).choose(alternatives) == card % alternatives
    assert Deck(bytes([card])).happens(alternatives) is (card % alternatives == alternatives - 1)
    assert Deck(b"\0").choose(alternatives) == 0


def test_numbers_take_one_card_each_in_any_shape() -> None:
    deck = Deck(bytes([0, 1, 2, 0, 1]))
    table = np.array([1.0, -1.0, 0.5])
    assert deck.numbers(table, (2, 2)).tolist() == [[1.0, -1.0], [0.5, 1.0]]
    assert deck.numbers(table, ()).shape == ()
    assert deck.numbers(table, (0, 3)).shape == (0, 3)


@pytest.mark.parametrize("alternatives", [1, 2, 7])
def test_choices_are_all_reached_and_shrink_to_the_first(alternatives: int) -> None:
    assert set(drawn(choices(alternatives), 200, seed=1)) == set(range(alternatives))
    assert minimal(choices(alternatives)) == 0


def test_a_deck_shrinks_to_zeros() -> None:
    assert minimal(decks()).take(CARDS) == bytes(CARDS)


def test_precisions_are_dtypes() -> None:
    assert as_precision(np.array([0.1]), 53).dtype == np.float64
    assert as_precision(np.array([0.1]), 24).dtype == np.float32
