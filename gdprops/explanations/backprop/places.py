"""Find the row or column of a parameter that contains its wrong entries in every failing example.

Example: "of W1 only the last column, which is not moved".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from gdprops.clauses.support.watched_step import Watched
    from gdprops.model.arrays import Array

AXES = {1: ("entry",), 2: ("row", "column")}
"""The names of an index along each axis, by the number of dimensions."""


def place(wrong: Sequence[Watched], i: int) -> str:
    """Return "of W1 only the last column, which is not moved", or "" if the wrong entries share no row or column."""
    masks = [_mask(step, i) for step in wrong if step.wrong_at(i)]
    shared = [set(_places(mask)) for mask in masks if mask.size > 1]
    common = sorted(set[str].intersection(*shared), key=_plainest) if shared else []
    if not common:
        return ""
    rests = all(bool((step.after[i] == step.before[i])[_mask(step, i)].all()) for step in wrong)
    return f"of {wrong[0].names[i]} only the {common[0]}{', which is not moved' if rests else ''}"


def _mask(step: Watched, i: int) -> Array:
    return np.asarray(np.abs(step.after[i] - step.expected[i]) > step.allowed[i])


def _places(mask: Array) -> Iterator[str]:
    """Yield the row and column that contain all wrong entries, counted from either end.

    An axis of length 1 is left out: its only row or column contains every entry.
    """
    for axis, name in enumerate(AXES.get(mask.ndim, ())):
        (found,) = np.nonzero(mask.any(axis=tuple(k for k in range(mask.ndim) if k != axis)))
        if len(found) == 1 and mask.shape[axis] > 1:
            yield _counted(int(found[0]), name)
            yield _counted(int(found[0]) - mask.shape[axis], name)


def _counted(index: int, name: str) -> str:
    ends = {0: "first", -1: "last"}
    return f"{ends[index]} {name}" if index in ends else f"{name} {index}"


def _plainest(text: str) -> tuple[bool, str]:
    return "-" in text, text
