"""The losses that are tried where the code names none, as derivatives with respect to the output.

What a training step does with the error at the output tells which loss it descends: the squared error, the
cross-entropy of sigmoid or softmax outputs, or the same of outputs that are no probabilities yet.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from gdprops.model.arrays import Array

Of = Callable[["Array", "Array"], "Array"]


class CandidateLoss(NamedTuple):
    """One loss: its name, its value summed over everything, its derivative, and for which outputs it makes sense."""

    name: str
    value: Callable[[Array, Array], float]
    slope: Of
    fits: Callable[[Array, str], bool]


def _sigmoid(z: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-z)))


def _softmax(z: Array) -> Array:
    e = np.exp(z - np.max(z, axis=1, keepdims=True))
    return np.asarray(e / np.sum(e, axis=1, keepdims=True))


def _are_shares(o: Array) -> bool:
    return bool(((o > 0) & (o < 1)).all())


def _are_distributions(o: Array) -> bool:
    return o.shape[1] > 1 and bool((o > 0).all()) and bool(np.allclose(o.sum(axis=1), 1))


SQUARED = CandidateLoss(
    "the squared error",
    lambda o, y: 0.5 * np.sum((o - y) ** 2),
    lambda o, y: np.asarray(o - y),
    lambda o, targets: True,
)
BINARY = CandidateLoss(
    "the binary cross-entropy",
    lambda o, y: -np.sum(y * np.log(o) + (1 - y) * np.log(1 - o)),
    lambda o, y: np.asarray((o - y) / (o * (1 - o))),
    lambda o, targets: _are_shares(o) and not _are_distributions(o),
)
CATEGORICAL = CandidateLoss(
    "the cross-entropy",
    lambda o, y: -np.sum(y * np.log(o)),
    lambda o, y: np.asarray(-y / o),
    lambda o, targets: _are_distributions(o),
)
OF_LOGITS = CandidateLoss(
    "the cross-entropy of the softmax of the outputs",
    lambda o, y: -np.sum(y * np.log(_softmax(o))),
    lambda o, y: np.asarray(_softmax(o) - y),
    lambda o, targets: o.shape[1] > 1 and targets in ("one-hot", "labels") and not _are_shares(o),
)
BINARY_OF_LOGITS = CandidateLoss(
    "the binary cross-entropy of the sigmoid of the outputs",
    lambda o, y: -np.sum(y * np.log(_sigmoid(o)) + (1 - y) * np.log(1 - _sigmoid(o))),
    lambda o, y: np.asarray(_sigmoid(o) - y),
    lambda o, targets: not _are_shares(o),
)
PERCEPTRON = CandidateLoss(
    "the perceptron criterion",
    lambda z, y: np.sum(((z > 0) - y) * z),
    lambda z, y: np.asarray((z > 0) - y),
    lambda z, targets: targets == "scores",
)
SIGNED_PERCEPTRON = CandidateLoss(
    "the perceptron criterion",
    lambda z, y: np.sum((np.sign(z) - y) * z),
    lambda z, y: np.asarray(np.sign(z) - y),
    lambda z, targets: targets == "signed scores",
)
CANDIDATES = (SQUARED, BINARY, CATEGORICAL, OF_LOGITS, BINARY_OF_LOGITS, PERCEPTRON, SIGNED_PERCEPTRON)
"""What is tried, the most usual first."""


class Scale(NamedTuple):
    """A factor of a loss that depends on the batch: a power of its rows and of its outputs."""

    rows: int
    outputs: int

    def of(self, rows: int, outputs: int) -> float:
        """Return the factor for a batch."""
        return float(rows) ** -self.rows * float(outputs) ** -self.outputs


SCALES = (Scale(0, 0), Scale(1, 0), Scale(1, 1), Scale(0, 1))
"""A sum, a mean over rows, a mean over all entries, a mean over the outputs."""
DIVIDED_TWICE = (Scale(2, 0), Scale(2, 1))
"""Means over rows, or over all entries, whose gradient is divided by the number of rows once more."""
SAID = {
    Scale(0, 0): "summed",
    Scale(1, 0): "averaged over the rows",
    Scale(1, 1): "averaged over all entries",
    Scale(0, 1): "averaged over the outputs",
}
