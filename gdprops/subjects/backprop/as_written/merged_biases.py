"""Matrices that hold the biases of a layer as one more row or column: which of their entries are the weights alone.

    neuron["weights"][-1]          # the bias of a neuron, after its weights
    np.c_[h, np.ones(len(h))] @ W  # the last row of W

A bias decides no loss, and where it is wrong the weights beside it still tell which loss is meant.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from gdprops.model.arrays import Array


def weights_alone(shapes: Sequence[tuple[int, ...]], outputs: Sequence[int]) -> Iterator[list[Array]]:
    """Yield which entries of an output matrix are left without its last or its first row of biases, as booleans.

    Args:
        shapes: the shape of the matrix in several networks.
        outputs: how many outputs each of them has: what is along them belongs to one output each, and is no bias.

    Nothing is yielded where it cannot be told, or where the weights of a network are few.
    """
    if any(len(shape) != 2 for shape in shapes):
        return
    along = [axis for axis in (0, 1) if all(s[axis] == n for s, n in zip(shapes, outputs, strict=True))]
    if len(along) != 1 or any(shape[1 - along[0]] < 3 for shape in shapes):
        return
    for at in (-1, 0):
        every = [np.ones(shape, dtype=bool) for shape in shapes]
        for kept in every:
            np.moveaxis(kept, 1 - along[0], 0)[at] = False
        yield every
