"""The demo's network in NumPy, with hand-written backprop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import numpy as np

from gdprops.demo.question_network import batch
from gdprops.model.arrays import Array


@final
class InNumpy:
    """Hand-written backprop and the update w <- w - eta g."""

    name = "NumPy, by hand"

    def evaluate(self, weights: Sequence[Array]) -> tuple[float, list[Array]]:
        """Return the loss and every gradient after one forward and one backward pass."""
        (inputs, labels), (w1, b1, w2, b2) = batch(), weights
        z1 = inputs @ w1 + b1
        hidden = np.maximum(z1, 0)
        z2 = hidden @ w2 + b2
        loss = float(np.mean(np.logaddexp(0, z2) - labels * z2))
        d2 = (1 / (1 + np.exp(-z2)) - labels) / len(inputs)
        d1 = (d2 @ w2.T) * (z1 > 0)
        return loss, [inputs.T @ d1, d1.sum(0), hidden.T @ d2, d2.sum(0)]

    def rate_in_force(self, rate: float) -> float:
        """Return the learning rate unchanged: NumPy computes with it in float64."""
        return rate

    def step(self, weights: Sequence[Array], rate: float) -> list[Array]:
        """Return w - eta g for every tensor; all gradients are computed before any tensor moves."""
        _, gradients = self.evaluate(weights)
        return [w - rate * g for w, g in zip(weights, gradients, strict=True)]
