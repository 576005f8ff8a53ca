"""Turns a violated comparison into numbers for reports: each tensor's start, what was seen, what was expected."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gdprops.model.evidence import Compared

MOST = 16
"""The largest number of entries of a tensor that a reader still reads one by one."""


def shown(
    seen: Sequence[Any],
    expected: Sequence[Any],
    names: Sequence[str],
    blame: Sequence[str],
    start: Sequence[Any] | None,
) -> tuple[Compared, ...]:
    """Return the compared tensors for a report; without ``start`` they have no displacements."""
    before = [None] * len(seen) if start is None else list(start)
    return tuple(_one(*parts, blame) for parts in zip(names, seen, expected, before, strict=True))


def _one(name: str, seen: Any, expected: Any, start: Any, blame: Sequence[str]) -> Compared:
    shape = tuple(np.shape(expected))
    if np.shape(seen) != shape:
        return Compared(name, shape, name in blame)
    few = int(np.prod(shape, dtype=np.int64)) <= MOST
    entries = [_entries(values) if few else None for values in (start, seen, expected)]
    return Compared(name, shape, name in blame, _length(seen, start), _length(expected, start), *entries)


def _entries(values: Any) -> tuple[float, ...] | None:
    return None if values is None else tuple(float(v) for v in np.ravel(np.asarray(values)))


def _length(values: Any, start: Any) -> float | None:
    if start is None:
        return None
    with np.errstate(invalid="ignore", over="ignore"):
        return float(np.linalg.norm(np.asarray(values, dtype=float) - np.asarray(start, dtype=float)))
