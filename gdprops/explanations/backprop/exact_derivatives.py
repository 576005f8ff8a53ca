"""The exact derivative of a loss by every value that its forward pass computes, from the loss recorded step by step.

The recording (`traced_loss.py`) knows each operation of the user's forward pass, and what each of its inputs came from.
One result at a time is moved by a little, and everything after it computed again: that is the derivative by it.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gdprops.subjects.backprop.traced_loss import STEP, TracedLoss
from gdprops.subjects.user_code.place import is_own

if TYPE_CHECKING:
    from gdprops.model.arrays import Array

MOST_ENTRIES = 600
"""So many results are moved at most."""


class Node(NamedTuple):
    """A value of the forward pass: a parameter by its name, or the result of an operation; the derivative by it."""

    number: int
    name: str
    value: Array
    derivative: Array


def nodes_of(loss: TracedLoss) -> list[Node]:
    """Return the results of the user's own operations, each with the derivative of the loss, the last one first."""
    found, entries = list[Node](), 0
    calls: Counter[Any] = Counter()
    for number, one in enumerate(loss.operations):
        call = calls[one.place]
        calls[one.place] += 1
        result = np.asarray(one.result) if isinstance(one.result, np.ndarray | np.floating) else None
        if result is None or result.dtype.kind != "f" or not is_own(one.place.file):
            continue
        entries += result.size
        if entries > MOST_ENTRIES:
            break
        derivative = np.zeros(result.shape)
        for at in range(result.size):
            ends = [loss.with_moved(one.place, call, at, by) for by in (STEP, -STEP)]
            derivative.reshape(-1)[at] = (ends[0] - ends[1]) / (2 * STEP)
        found.append(Node(number, "", result, derivative))
    return found[::-1]


def reached(loss: TracedLoss, moved: TracedLoss) -> set[int]:
    """Return the numbers of the operations whose result is another one where a parameter has moved."""
    pairs = zip(loss.operations, moved.operations, strict=False)
    return {number for number, (one, other) in enumerate(pairs) if _differs(one.result, other.result)}


def _differs(a: Any, b: Any) -> bool:
    return np.shape(a) != np.shape(b) or not np.array_equal(np.asarray(a), np.asarray(b))
