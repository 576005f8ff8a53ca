"""Networks that tell hypotheses apart: an explanation must hold on them, as well as on the examples that failed.

They have three layers (one layer hides sweeps), some tensors of equal shape (else sharing by shape is invisible), three
different batches (stale and added gradients need two), and numbers of rows that no small number divides (means of means
need ragged micro-batches). The networks are fixed: every subject is explained on the same ones.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from gdprops.model.case import Plan, TrainCase
from gdprops.model.network import Batch, Layer, Network
from gdprops.numerics.decisions import DOUBLE

if TYPE_CHECKING:
    from gdprops.model.arrays import Array

STEPS = 3
FORMS = (
    ("mse", (3, 3, 3, 2), 13),
    ("half-sse", (3, 3, 3, 2), 7),
    ("cross-entropy", (2, 4, 4, 3), 11),
    ("mse", (2, 5, 3, 1), 12),
)
"""For each case: the loss, the widths from the inputs to the outputs, and the rows of a batch."""


def distinguishing_cases(window: int = 1, *, means: bool = False) -> tuple[TrainCase, ...]:
    """Return the cases, the most telling first.

    ``window`` is the number of calls in which a step is given its batch; ``means``: every loss is a mean over rows.
    """
    mean = {"half-sse": "mse"} if means else {}
    return tuple(_case(k, window, mean.get(loss, loss), widths, rows) for k, (loss, widths, rows) in enumerate(FORMS))


def _case(seed: int, window: int, loss: str, widths: tuple[int, ...], rows: int) -> TrainCase:
    rng, last = np.random.default_rng(seed), len(widths) - 2
    layers = tuple(Layer(2 * k, 2 * k + 1, "tanh" if k < last else "identity") for k in range(last + 1))
    tensors: list[Array] = []
    for fan_in, fan_out in pairwise(widths):
        tensors += [rng.normal(size=(fan_out, fan_in)), rng.normal(size=fan_out)]
    names = tuple(f"{kind}{k}" for k in range(1, last + 2) for kind in "Wb")
    network = Network((layers,), names, (True,) * len(tensors), loss)
    batches = tuple(_batch(rng, loss, rows, widths[0], widths[-1]) for _ in range(STEPS))
    plan = Plan((tuple(range(len(tensors))),), seed=seed)
    chunks = (_ragged(rows, window),) * STEPS if window > 1 else ()
    return TrainCase(network, tuple(tensors), batches, plan, DOUBLE, chunks)


def _ragged(rows: int, window: int) -> tuple[int, ...]:
    """Return the sizes of micro-batches: two rows each, but for the first, which has the rest."""
    return (rows - 2 * (window - 1), *(2,) * (window - 1))


def _batch(rng: Any, loss: str, rows: int, features: int, outputs: int) -> Batch:
    inputs = rng.normal(size=(rows, features))
    if loss == "cross-entropy":
        return Batch(inputs, rng.integers(outputs, size=rows))
    return Batch(inputs, rng.normal(size=(rows, outputs)))
