"""What a backward pass may get in place of the derivative by its output: the derivative by what stands before it.

A network that ends in a softmax is mostly handed ``output - target``, the derivative of the cross-entropy by the scores
before the softmax. With J = Σ c · log(output), and rows of c that add up to 0, J is Σ c · scores: so this, too, is
found out without any loss. A sigmoid and a tanh at the end are undone likewise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from gdprops.model.arrays import Array


class Link(NamedTuple):
    """One activation at the end: its name, whether outputs may be its own, how it is undone, what becomes of c."""

    name: str
    fits: Callable[[Array], bool]
    undone: Callable[[Any], Any]
    handed: Callable[[Array], Array]


def _are_shares(out: Array) -> bool:
    return bool(((out > 0) & (out < 1)).all())


SOFTMAX = Link(
    "softmax",
    lambda out: _are_shares(out) and out.shape[1] > 1 and bool(np.allclose(out.sum(axis=1), 1)),
    np.log,
    lambda c: np.asarray(c - c.mean(axis=1, keepdims=True)),
)
SIGMOID = Link("sigmoid", _are_shares, lambda out: np.log(out) - np.log(1 - out), lambda c: c)
TANH = Link("tanh", lambda out: bool((np.abs(out) < 1).all()), np.arctanh, lambda c: c)
LINKS = (SOFTMAX, SIGMOID, TANH)
