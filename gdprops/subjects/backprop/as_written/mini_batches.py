"""Training in mini-batches: whether one call adds the gradients of its mini-batches up.

A step is judged on one batch, which is handed over as one mini-batch. What a loop over several of them does wrong is
seen where one call trains on two: `self.g += ...` that is made before the loop, and never set back to zero in it.
"""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING

import numpy as np

from gdprops.subjects.backprop.as_written.best_reading import is_near
from gdprops.subjects.backprop.as_written.observations import RATE, copies, data_of, moved_by
from gdprops.subjects.user_code.quiet import quiet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gdprops.model.arrays import Array
    from gdprops.subjects.backprop.as_written.reading import Reading

    Batches = Sequence[tuple[Array, Array]]

MIXES = re.compile(r"shuffl|permut|choice|randint|sample\(|default_rng|argsort")
"""Words of code that takes the rows in another order than it gets them."""


def adds_up(reading: Reading) -> bool:
    """Say whether one call on two mini-batches moves a parameter by the first one's gradient twice.

    All rows of both are one row, so that it does not matter in which order they are taken. Momentum, which keeps a
    part of the first move, is something else.
    """
    if reading.in_batches is None:
        return False
    params, x, y = data_of(reading, (reading.inputs or 3, 4, reading.outputs or 2, 2), 1)
    one = (np.repeat(x[:1], 2, axis=0), np.repeat(y[:1], 2, axis=0))
    try:
        with quiet(), np.errstate(all="ignore"):
            first = moved_by(reading, params, *one)
            between = {name: w + first[name] for name, w in params.items()}
            second = moved_by(reading, between, *one)
            after = reading.in_batches(copies(params), [one, one], RATE)
    except Exception:  # it is found out by trying
        return False
    moved = {name: np.asarray(after[name]) - w for name, w in params.items()}
    plain = {name: is_near(m, first[name] + second[name]) for name, m in moved.items()}
    added = {name: is_near(m, 2 * first[name] + second[name]) for name, m in moved.items()}
    return all(plain[name] or added[name] for name in params) and not all(plain.values())


def can_be_joined(reading: Reading, batches: Batches) -> bool:
    """Say whether some batches can be the mini-batches of one call: alike in size, and taken in their order."""
    rows = [x for x, _ in batches]
    return len({len(x) for x in rows}) == 1 and (
        _in_order(reading) or all(np.array_equal(x, rows[0][:1]) for x in rows)
    )


def _in_order(reading: Reading) -> bool:
    try:
        return not any(MIXES.search(inspect.getsource(function)) for function in reading.functions)
    except (OSError, TypeError):
        return False
