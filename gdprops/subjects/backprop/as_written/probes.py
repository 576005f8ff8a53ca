"""The numbers with which code is tried before anything is judged: sizes that are all different, samples, seeds."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from gdprops.subjects.backprop.as_written.constructors import Sizes

if TYPE_CHECKING:
    from gdprops.model.arrays import Array

PROBE = Sizes(3, 4, 2)
OTHER_PROBE = Sizes(2, 5, 3)
ROWS = 6
"""More rows than any size of a probe."""
SEED = 7


def seeded() -> None:
    """Start the global random numbers anew: a mask is the same at every forward pass, and in training."""
    random.seed(SEED)
    np.random.seed(SEED)


def draws(function: Callable[[], Any]) -> bool:
    """Say whether a call draws from the global random numbers."""
    seeded()
    before = _state()
    function()
    return before != _state()


def _state() -> tuple[Any, ...]:
    held = np.random.get_state(legacy=False)["state"]
    return random.getstate(), held["key"].tobytes(), held["pos"]


def positive_numbers(shape: tuple[int, ...], start: int) -> Array:
    """Return numbers from 0.2 to 0.9, all different: roots and logarithms of them are finite."""
    count = int(np.prod(shape, dtype=np.int64))
    golden = (5**0.5 - 1) / 2
    return np.asarray(0.2 + 0.7 * ((np.arange(count) + 1 + 11 * start) * golden % 1)).reshape(shape)


def probe_data(sizes: Sizes, rows: int) -> tuple[Array, Array]:
    """Return samples and targets for a probe: the targets are classes, all of them among the rows."""
    x = positive_numbers((rows, sizes.n_in), 5) - 0.5
    return x, np.eye(sizes.n_out)[(np.arange(rows) + sizes.n_out - 1) % sizes.n_out]
