"""Large arrays in pieces: fresh memory as large as a tensor costs more time than the arithmetic in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gdprops.model.arrays import Array

BLOCK = 1 << 16
"""Entries of a piece: a few of them fit into a processor's cache."""


def blocks(first: Array, *others: Array) -> Iterator[tuple[Array, ...]]:
    """Yield the same entries of arrays of one shape, cut along the first dimension, in order; small ones as they are.

    What has no dimensions, a bound for all entries, stands in every piece.
    """
    arrays = (first, *others)
    if first.size <= BLOCK:
        yield arrays
        return
    rows = max(1, BLOCK * len(first) // first.size)
    for k in range(0, len(first), rows):
        yield tuple(a[k : k + rows] if a.ndim else a for a in arrays)
