"""The three experiments of the demo, each compared with a layer-by-layer trainer that starts from the same weights.

1. `ten_steps`: does every step move all tensors by -eta g? 2. `all_gradients`: do all gradients exist after one
backward pass? 3. `large_rate`: does a large learning rate still make one step?
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from gdprops.demo.question_network import LAYERS, Framework, first_weights
from gdprops.model.arrays import Array
from gdprops.numerics.decisions import PRINCIPLE

STEPS, RATE, LARGE = 10, 0.01, 1.0
DYADIC = (1.0, 1 / 64)


def layer_by_layer(framework: Framework, weights: Sequence[Array], rate: float) -> list[Array]:
    """Return the weights after a sweep: one layer moves, the gradient is computed again, and the next layer moves."""
    moved = list(weights)
    for layer in LAYERS:
        _, gradients = framework.evaluate(moved)
        moved = [w - rate * g if i in layer else w for i, (w, g) in enumerate(zip(moved, gradients, strict=True))]
    return moved


@final
@dataclass(frozen=True, slots=True)
class TenSteps:
    """The result of ten steps at the learning rate 0.01.

    Attributes:
        weights: The weights after the last step.
        losses: The loss before each step and after the last one.
        moved: How many tensors each step moved.
        off: The largest difference between the weights after a step and w - eta g at the weights before the step.
        swept_losses: The losses of the layer-by-layer trainer.
        apart: The largest difference between the final weights and those of the layer-by-layer trainer.
    """

    weights: list[Array]
    losses: list[float]
    moved: list[int]
    off: float
    swept_losses: list[float]
    apart: float

    @property
    def simultaneous(self) -> bool:
        """Whether every step was w - eta g in every tensor, and the loss fell every time."""
        falls = all(b < a for a, b in zip(self.losses, self.losses[1:], strict=False))
        return self.off < PRINCIPLE and min(self.moved) == len(self.weights) and falls


def ten_steps(framework: Framework) -> TenSteps:
    """Take ten steps, compare each of them with w - eta g, and take ten sweeps for comparison."""
    weights, swept = first_weights(), first_weights()
    losses, swept_losses, moved, off = [framework.evaluate(weights)[0]], [framework.evaluate(swept)[0]], [], 0.0
    for _ in range(STEPS):
        _, gradients = framework.evaluate(weights)
        after = framework.step(weights, RATE)
        eta = framework.rate_in_force(RATE)
        off = max(off, furthest(after, [w - eta * g for w, g in zip(weights, gradients, strict=True)]))
        moved.append(sum(bool((a != w).any()) for a, w in zip(after, weights, strict=True)))
        weights, swept = after, layer_by_layer(framework, swept, RATE)
        losses.append(framework.evaluate(weights)[0])
        swept_losses.append(framework.evaluate(swept)[0])
    return TenSteps(weights, losses, moved, off, swept_losses, furthest(weights, swept))


def all_gradients(framework: Framework) -> list[Array]:
    """Return the gradients that exist after one backward pass."""
    return framework.evaluate(first_weights())[1]


def gradients_of_a_sweep(framework: Framework) -> list[Array]:
    """Return the gradients that a layer-by-layer trainer uses at a learning rate of 1.

    Those of the second layer are taken after the first layer has moved.
    """
    weights = first_weights()
    _, first = framework.evaluate(weights)
    moved = [w - g if i in LAYERS[0] else w for i, (w, g) in enumerate(zip(weights, first, strict=True))]
    _, second = framework.evaluate(moved)
    return [second[i] if i in LAYERS[1] else g for i, g in enumerate(first)]


@final
@dataclass(frozen=True, slots=True)
class LargeRate:
    """The result of one step at the learning rate 1.0 and one at 0.01, from the same weights.

    Attributes:
        large: The weights after the step at 1.0.
        sizes: The norms of each tensor's displacement at the two rates, the small rate first.
        ratio_off: By which share of the displacement the displacements miss the ratio of the rates.
        exact: Whether steps at dyadic rates end at exactly w - eta g.
        swept: The norms of each tensor's displacement for the layer-by-layer trainer.
    """

    large: list[Array]
    sizes: list[tuple[float, float]]
    ratio_off: float
    exact: bool
    swept: list[tuple[float, float]]

    @property
    def proportional(self) -> bool:
        """Whether a learning rate that is a hundred times as large moved every tensor a hundred times as far."""
        return self.ratio_off < PRINCIPLE and self.exact


def large_rate(framework: Framework) -> LargeRate:
    """Compare a step at a rate of 1 with one at 0.01."""
    weights = first_weights()
    _, gradients = framework.evaluate(weights)
    small, large = framework.step(weights, RATE), framework.step(weights, LARGE)
    times = framework.rate_in_force(LARGE) / framework.rate_in_force(RATE)
    missed = [
        np.abs((b - w) - times * (a - w)).max() / np.abs(b - w).max()
        for w, a, b in zip(weights, small, large, strict=True)
    ]
    exact = all(
        (after == w - rate * g).all()
        for rate in DYADIC
        for after, w, g in zip(framework.step(weights, rate), weights, gradients, strict=True)
    )
    swept = (layer_by_layer(framework, weights, rate) for rate in (RATE, LARGE))
    return LargeRate(large, _sizes(weights, small, large), float(max(missed)), exact, _sizes(weights, *swept))


def _sizes(weights: Sequence[Array], small: Sequence[Array], large: Sequence[Array]) -> list[tuple[float, float]]:
    pairs = zip(weights, small, large, strict=True)
    return [(float(np.linalg.norm(a - w)), float(np.linalg.norm(b - w))) for w, a, b in pairs]


def furthest(a: Sequence[Array], b: Sequence[Array]) -> float:
    """Return the largest absolute difference between corresponding entries."""
    return float(max(np.abs(x - y).max() for x, y in zip(a, b, strict=True)))
