"""Exact arithmetic: arrays and points over `fractions.Fraction`."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from gdprops.model.network import Batch, Point

if TYPE_CHECKING:
    from gdprops.model.arrays import Array


def rational(values: Array) -> Array:
    """Return an array of the same shape whose entries are the exact fractions of the given numbers."""
    exact = np.empty(values.size, dtype=object)
    exact[:] = [Fraction(v) for v in values.ravel().tolist()]
    return exact.reshape(values.shape)


def rational_point(point: Point) -> Point:
    """Return a point with fractions for weights, inputs and targets; labels become whole fractions."""
    batch = Batch(rational(point.batch.inputs), rational(point.batch.targets))
    return Point(point.network, tuple(rational(t) for t in point.tensors), batch)


def floats(values: Array) -> Array:
    """Return an array of fractions, each rounded once to float64."""
    array = np.asarray(values)
    return np.array([float(v) for v in array.ravel()], dtype=np.float64).reshape(array.shape)


def floats_of(values: Iterable[Any]) -> Array:
    """Return a vector of fractions rounded once to float64."""
    return np.array([float(v) for v in values], dtype=np.float64)
