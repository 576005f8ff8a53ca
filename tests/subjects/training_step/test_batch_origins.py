"""Whether numbers come from a batch that was handed over is followed through whatever is done with them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from gdprops.subjects.training_step.batch_origins import Origins


def into_a_buffer(x: Tensor) -> Tensor:
    held = torch.zeros(4, 3)
    held[:2] = x
    return held[1:]


FROM_IT: dict[str, Callable[[Tensor], Any]] = {
    "itself": lambda x: x,
    "a view": lambda x: x[1:],
    "a sum with noise": lambda x: torch.randn(2, 3) + x,
    "a cat": lambda x: torch.cat([torch.ones(1, 3), x]),
    "a buffer": into_a_buffer,
    "a copy": copy.deepcopy,
    "numpy": lambda x: torch.from_numpy(np.asarray(x).copy()),
    "a list": lambda x: torch.tensor(x.tolist()),
}
NOT_FROM_IT: dict[str, Callable[[Tensor], Any]] = {
    "noise of its shape": lambda x: torch.randn(*x.shape),
    "as many rows": lambda x: torch.ones(len(x), 3),
    "a number logged": lambda x: torch.ones(1) if float(x.sum()) else torch.zeros(1),
}


@pytest.mark.parametrize("name", FROM_IT)
def test_it_comes_from_the_batch(name: str) -> None:
    origins, x = Origins(), torch.rand(2, 3)
    origins.hand((x, None))
    with origins.following():
        found = FROM_IT[name](x)
    assert origins.are_in((found,))


def test_what_torch_func_wraps_comes_from_the_batch() -> None:
    origins, x, seen = Origins(), torch.rand(2, 3), list[bool]()
    origins.hand((x, None))

    def loss(w: Tensor) -> Tensor:
        seen.append(origins.are_in((x * w,)))
        seen.append(origins.are_in((w,)))
        return (x * w).sum()

    with origins.following():
        torch.func.grad(loss)(torch.ones(3))
    assert seen == [True, False]


@pytest.mark.parametrize("name", NOT_FROM_IT)
def test_it_does_not_come_from_the_batch(name: str) -> None:
    origins, x = Origins(), torch.rand(2, 3)
    origins.hand((x, None))
    with origins.following():
        found = NOT_FROM_IT[name](x)
    assert not origins.are_in((found,))


def test_what_a_batch_moves_comes_from_no_batch() -> None:
    w, x = torch.ones(3), torch.rand(2, 3)
    origins = Origins([w])
    origins.hand((x,))
    with origins.following():
        w.add_(x.sum(0))
        found = w * 2
    assert not origins.are_in((found,))
