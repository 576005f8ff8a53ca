"""Cases that are dealt from decks: as many decks as a clause needs serve every clause that needs as many."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from gdprops.model.domain import Domain
from gdprops.strategies.dealing import dealing_of, dealt, hands
from gdprops.strategies.gradient_feeds import Feed, feeds
from gdprops.strategies.gradient_points import sweeps
from gdprops.strategies.values import decks
from gdprops.subjects.user_code.module_constants import no_module_constants
from tests.quality.drawing import drawn


def pair(draw: Any, most: int) -> tuple[int, int]:
    first, second = draw(decks()), draw(decks())
    return first.choose(most), second.choose(most)


def test_what_is_dealt_from_drawn_decks_is_what_is_drawn() -> None:
    strategy = dealt(2, pair, 100)
    dealing = dealing_of(strategy)
    assert dealing is not None
    with no_module_constants():
        held = drawn(hands(2).map(lambda hand: [hand]), 20, seed=3)  # a search maps too, and draws accordingly
        assert [dealing.case(hand) for (hand,) in held] == drawn(strategy, 20, seed=3)


def test_a_hand_may_be_dealt_from_more_than_once() -> None:
    dealing = dealing_of(dealt(2, pair, 100))
    assert dealing is not None
    (*_, hand) = drawn(hands(2), 5, seed=1)
    assert dealing.case(hand) == dealing.case(hand)


def test_dealings_are_equal_where_they_deal_equal_cases() -> None:
    short, other = feeds(Domain(), Feed(most_steps=2)), feeds(Domain(), Feed(most_steps=2))
    assert dealing_of(short) == dealing_of(other)
    assert dealing_of(short) != dealing_of(feeds(Domain(), Feed(most_steps=3)))
    assert dealing_of(short) != dealing_of(feeds(Domain(precisions=(53,)), Feed(most_steps=2)))
    assert dealing_of(sweeps(Domain())) != dealing_of(sweeps(Domain(), kinds=("layer",)))


def test_what_draws_anything_else_is_not_dealt() -> None:
    assert dealing_of(st.integers()) is None
