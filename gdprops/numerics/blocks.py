"""Cuts large arrays into pieces: allocating memory as large as a tensor takes longer than the arithmetic on it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gdprops.model.arrays import Array

BLOCK = 1 << 16
"""The number of entries in a piece: a few pieces fit into a processor's cache."""


def blocks(first: Array, *others: Array) -> Iterator[tuple[Array, ...]]:
    """Yield pieces of arrays of one shape, cut along the first dimension, in order; small arrays come whole.

    An array without dimensions, such as one bound for all entries, is part of every piece.
    """
    arrays = (first, *others)
    if first.size <= BLOCK:
        yield arrays
        return
    rows = max(1, BLOCK * len(first) // first.size)
    for k in range(0, len(first), rows):
        yield tuple(a[k : k + rows] if a.ndim else a for a in arrays)
