"""The small networks on which a training step is tried when it is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gdprops.model.architecture import ArchitectureCase
from gdprops.model.architecture_designs import architecture
from gdprops.model.case import Plan, TrainCase
from gdprops.model.network import Batch, Layer, Network
from gdprops.numerics.decisions import DOUBLE

if TYPE_CHECKING:
    from gdprops.model.arrays import Array

FORMS = (("mse", 2), ("cross-entropy", 2), ("mse", 1))


def trial_cases(precision: int, window: int) -> list[TrainCase]:
    """Return two-layer networks: one with a mean of squares, one with classes, one with a single weight per layer."""
    return [_case(precision, window, loss, width) for loss, width in FORMS]


def _case(precision: int, window: int, loss: str, width: int) -> TrainCase:
    layers = (Layer(0, 1, "tanh"), Layer(2, 3, "identity"))
    network = Network((layers,), ("W1", "b1", "W2", "b2"), (True,) * 4, loss)
    shapes = ((width, width), (width,), (width, width), (width,))
    rows = _rows(window)
    inputs = _numbers((rows, width), precision)
    targets = np.arange(rows) % width if loss == "cross-entropy" else inputs[::-1].copy()
    tensors = tuple(_numbers(shape, precision) for shape in shapes)
    return TrainCase(
        network, tensors, (Batch(inputs, targets),), Plan(((0, 1, 2, 3),)), precision, _chunks(rows, window)
    )


def architecture_trial(kind: str, precision: int, window: int) -> ArchitectureCase:
    """Return a small architecture of one kind, with one batch."""
    network, rows = architecture(kind, (1, 1, 1), 2, "mse"), _rows(window)
    numbers = np.arange(rows * int(np.prod(network.form))).reshape(rows, *network.form)
    inputs = numbers % network.tokens if network.tokens else _numbers((rows, *network.form), precision)
    batch = Batch(inputs, _numbers((rows, 2), precision))
    tensors = tuple(_numbers(shape, precision) for shape in network.shapes)
    return ArchitectureCase(network, tensors, (batch,), Plan(()), precision, _chunks(rows, window))


def _rows(window: int) -> int:
    return 2 * window + 4


def _numbers(shape: tuple[int, ...], precision: int) -> Array:
    dtype = np.float64 if precision == DOUBLE else np.float32
    return np.asarray(np.linspace(-0.75, 1.0, int(np.prod(shape)), dtype=dtype).reshape(shape))


def _chunks(rows: int, window: int) -> tuple[tuple[int, ...], ...]:
    return ((*(2 for _ in range(window - 1)), rows - 2 * (window - 1)),) if window > 1 else ()
