"""Iterators that have run out, and those that have something to give or never had."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import gdprops
from gdprops.watching.spent_iterators import is_spent

MADE: dict[str, Callable[[], Iterator[Any]]] = {
    "a generator": lambda: (number for number in [1, 2]),
    "an empty generator": lambda: (number for number in list[int]()),
    "parameters": lambda: nn.Linear(2, 2).parameters(),
    "filter": lambda: filter(lambda weight: weight.requires_grad, nn.Linear(2, 2).parameters()),
    "map": lambda: map(lambda one, other: one, [1, 2], [3, 4]),
    "chain": lambda: itertools.chain(nn.Linear(2, 2).parameters(), [1]),
    "a list": lambda: iter([1, 2]),
    "a dict": lambda: iter({"a": [1], "b": [2]}.values()),
}


@pytest.mark.parametrize("made", MADE.values(), ids=MADE)
def test_an_iterator_is_spent_when_it_has_run_out(made: Callable[[], Iterator[Any]]) -> None:
    iterator = made()
    assert not is_spent(iterator)
    list(iterator)
    assert is_spent(iterator)
    begun = made()
    next(begun, None)
    assert is_spent(begun) is (not list(begun))


def test_a_list_is_never_spent_and_an_iterator_of_the_users_own_is_not_judged() -> None:
    class Own:
        def __iter__(self) -> Own:
            return self

        def __next__(self) -> int:
            raise StopIteration

    assert not is_spent([])
    assert not is_spent(Own())


def test_torch_warns_of_an_empty_generator_as_it_does_unwatched() -> None:
    with gdprops.watch(), pytest.warns(UserWarning, match="empty generator"):
        nn.utils.clip_grad_norm_((weight for weight in list[Tensor]()), 1.0)
    with gdprops.watch():
        assert torch.equal(nn.utils.clip_grad_norm_([], 1.0), torch.tensor(0.0))
