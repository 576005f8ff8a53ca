"""The demo's network: 5 inputs, 10 ReLU units, 1 sigmoid, binary cross-entropy, a batch of 32 rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from gdprops.model.arrays import Array

NAMES = ("layer 1 weight", "layer 1 bias", "layer 2 weight", "layer 2 bias")
LAYERS = ((0, 1), (2, 3))
INPUTS, HIDDEN, ROWS = 5, 10, 32


class Framework(Protocol):
    """A framework that differentiates the network's loss and takes steps with its own optimizer, in float64."""

    @property
    def name(self) -> str:
        """The framework's name."""

    def evaluate(self, weights: Sequence[Array]) -> tuple[float, list[Array]]:
        """Return the loss and every gradient after one forward and one backward pass."""

    def rate_in_force(self, rate: float) -> float:
        """Return the learning rate with which the framework computes: some frameworks store it in float32."""

    def step(self, weights: Sequence[Array], rate: float) -> list[Array]:
        """Return the weights after one backward pass and one step of the framework's own gradient descent."""


def batch() -> tuple[Array, Array]:
    """Return the inputs (32, 5) and the labels (32, 1)."""
    generator = np.random.default_rng(7)
    inputs = generator.standard_normal((ROWS, INPUTS))
    return inputs, (inputs[:, :1] - inputs[:, 1:2] * inputs[:, 2:3] > 0).astype(np.float64)


def first_weights() -> list[Array]:
    """Return the weights before the first step: (5, 10), (10,), (10, 1) and (1,)."""
    generator = np.random.default_rng(11)
    scale = [(2 / INPUTS) ** 0.5, 0.1, (2 / HIDDEN) ** 0.5, 0.1]
    shapes = [(INPUTS, HIDDEN), (HIDDEN,), (HIDDEN, 1), (1,)]
    return [s * generator.standard_normal(shape) for s, shape in zip(scale, shapes, strict=True)]
