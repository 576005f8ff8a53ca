"""Random numbers: whether they were drawn from is seen, and they go on from where they were."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from gdprops.subjects.user_code.isolation import NumPyState, RandomState, isolated, seed_random_numbers


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    with isolated():
        seed_random_numbers(0)
        yield


@pytest.mark.parametrize(
    "draw",
    [
        np.random.rand,
        lambda: np.random.rand(624),
        np.random.randn,
        lambda: np.random.seed(1),
        random.random,
    ],
)
def test_whoever_draws_outside_torch_is_seen(draw: Callable[[], object]) -> None:
    before = RandomState()
    assert not RandomState(like=before).differs_outside_torch(before)
    draw()
    assert RandomState(like=before).differs_outside_torch(before)


def test_the_second_normal_number_in_store_is_seen_too() -> None:
    np.random.randn()
    before = NumPyState()
    second = np.random.randn()
    after = NumPyState(before)
    assert after.differs(before)
    before.put()
    assert np.random.randn() == second
    after.put()
    assert np.random.randn() != second


def test_random_numbers_go_on_from_where_they_were() -> None:
    first = RandomState()
    again = RandomState(like=first)
    drawn = [random.random(), np.random.rand(), np.random.randn()]
    again.put()
    assert [random.random(), np.random.rand(), np.random.randn()] == drawn


def test_of_another_generator_nobody_knows() -> None:
    held = np.random.get_bit_generator()  # type: ignore[attr-defined] # which NumPy's stubs leave out
    np.random.set_bit_generator(np.random.PCG64(0))  # type: ignore[attr-defined] # likewise
    try:
        before = RandomState()
        assert RandomState(like=before).differs_outside_torch(before)
    finally:
        np.random.set_bit_generator(held)  # type: ignore[attr-defined] # likewise
