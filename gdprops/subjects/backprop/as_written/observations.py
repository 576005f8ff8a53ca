"""What batches show of a reading: its outputs, how they depend on each parameter, and what moves.

The derivatives are central differences of the outputs; no loss is needed for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np

from gdprops.subjects.backprop.as_written.class_reading import spread
from gdprops.subjects.backprop.as_written.given_gradients import can_spread
from gdprops.subjects.user_code.quiet import quiet

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.subjects.backprop.as_written.reading import Reading

RATE = 0.25
NUDGE = 2.0**-17
"""The step of the central differences of the outputs: their error is about 1e-10."""
SHAPES = ((3, 4, 2, 6), (2, 3, 4, 5), (4, 2, 3, 7), (3, 5, 1, 4))
"""Inputs, hidden units, outputs and rows of the batches that are tried."""


@final
@dataclass(frozen=True, slots=True)
class Seen:
    """What one batch has shown: outputs, how each of their entries depends on each parameter, and what moved."""

    params: Mapping[str, Array]
    x: Array
    y: Array
    output: Array
    jacobian: Mapping[str, Array]
    moved: Mapping[str, Array]
    targets: Array

    def gradient(self, slope: Array) -> dict[str, Array]:
        """Return the gradient of a loss by the parameters, from its derivative by the outputs."""
        return {name: np.tensordot(slope, j, axes=([0, 1], [0, 1])) for name, j in self.jacobian.items()}


def observed(reading: Reading, times: int = 1) -> list[Seen]:
    """Return what some batches show of a reading, each size ``times`` times.

    Raises whatever the code raises on the first of them.
    """
    found, sizes = list[Seen](), list[tuple[int, int, int, int]]()
    for n_in, hidden, n_out, rows in SHAPES:
        inputs, outputs = reading.inputs or n_in, reading.outputs or n_out
        if outputs == 1 and reading.outputs is None and reading.targets in ("one-hot", "labels"):
            continue
        size = (inputs, hidden, outputs, 1 if reading.single else rows)
        if size not in sizes:
            sizes.append(size)
    for k, size in enumerate(sizes * times):
        try:
            with quiet(), np.errstate(all="ignore"):
                found.append(_seen(reading, size, k))
        except Exception:
            if not found:
                raise
    return found


def observed_once(reading: Reading) -> Seen:
    """Return what a batch of one sample shows. Raises whatever the code raises on it."""
    n_in, hidden, n_out, _ = SHAPES[0]
    with quiet(), np.errstate(all="ignore"):
        return _seen(reading, (reading.inputs or n_in, hidden, reading.outputs or n_out, 1), 0)


def data_of(reading: Reading, size: tuple[int, int, int, int], k: int) -> tuple[dict[str, Array], Array, Array]:
    """Return parameters, samples and targets of a batch."""
    n_in, hidden, n_out, rows = size
    shapes = reading.shapes(n_in, hidden, n_out)
    params = {name: 0.9 * spread(shape, i + k) for i, (name, shape) in enumerate(shapes.items())}
    return params, spread((rows, n_in), 3 + k), _targets(reading.targets, rows, n_out, k)


def _targets(kind: str, rows: int, n_out: int, k: int) -> Array:
    labels = (np.arange(rows) + n_out - 1) % n_out  # the last class is among them
    if kind == "labels":
        return np.asarray(labels)
    if kind == "one-hot":
        return np.asarray(np.eye(n_out)[labels])
    shape = (rows,) if kind in ("vector", "binary-vector") else (rows, n_out)
    numbers = spread(shape, 5 + k)
    return (numbers > 0).astype(np.float64) if kind.startswith("binary") else 1.5 * numbers


def _seen(reading: Reading, size: tuple[int, int, int, int], k: int) -> Seen:
    params, x, y = data_of(reading, size, k)
    out = np.array(reading.output(copies(params), x.copy()), dtype=np.float64)
    jacobian = {}
    for name, w in params.items():
        slopes = np.zeros((*out.shape, w.size))
        for at in range(w.size):
            ends = []
            for by in (NUDGE, -NUDGE):
                near = copies(params)
                near[name].reshape(-1)[at] += by
                ends.append(np.asarray(reading.output(near, x.copy()), dtype=np.float64))
            slopes[..., at] = (ends[0] - ends[1]) / (2 * NUDGE)
        jacobian[name] = slopes.reshape(*out.shape, *w.shape)
    targets = reading.targets_as_rows(y, out.shape[1])
    return Seen(params, x, y, out, jacobian, moved_by(reading, params, x, y), targets)


def moved_by(reading: Reading, params: Mapping[str, Array], x: Array, y: Array, rate: float = RATE) -> dict[str, Array]:
    """Return by how much every parameter moves in one step; for gradients, in a step of plain descent along them."""
    if reading.step is not None:
        after = reading.step(copies(params), x.copy(), y.copy(), rate)
        return {name: np.asarray(after[name], dtype=np.float64) - w for name, w in params.items()}
    assert reading.gradients is not None, "a reading has a step or gradients"
    found = reading.gradients(copies(params), x.copy(), y.copy())
    moved = {name: np.asarray(-rate * np.asarray(found[name], dtype=np.float64)) for name in params}
    return {n: np.broadcast_to(m, params[n].shape).copy() if can_spread(m, params[n]) else m for n, m in moved.items()}


def copies(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters as arrays of their own."""
    return {name: np.array(w) for name, w in params.items()}
