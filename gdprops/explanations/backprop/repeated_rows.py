"""Rows of a table that several samples look up: ``g[rows] += d`` adds only once to a row that is named twice.

NumPy computes ``g[rows] + d`` first and writes it then, so that the last sample's part is what stays of each row.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from gdprops.clauses.support.watched_step import Watched
    from gdprops.model.arrays import Array

OF_THE_LAST_ROW = (
    "of every entry the last sample that reaches it counts alone, and not all that do (an index with += adds only once "
    "to a row that is named twice: np.add.at adds every time)"
)


def of_the_last_row(step: Watched, i: int, *, share: Callable[[Watched], float]) -> Array:
    """Return every entry's gradient of the last sample that has one there."""
    rows = step.run.rows(step.batch)
    each = [np.asarray(step.run.gradients(step.before, step.batch, rows=slice(r, r + 1))[i]) for r in range(rows)]
    found = np.zeros_like(each[0])
    for g in each:
        found = np.where(g != 0, g, found)
    return share(step) * found
