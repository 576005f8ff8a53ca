"""The smallest network on which a simultaneous step and a sweep differ: two layers with one weight each.

The pictures of a report show it: J(w1, w2) = ½ Σ (w2 tanh(w1 x) − y)², one step, and the sweeps in both orders.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, final

import numpy as np

from gdprops.model.network import Batch, Layer, Network, Point
from gdprops.numerics.flat import flat_weights, unflat
from gdprops.numerics.network_pass import loss_at
from gdprops.numerics.numpy_system import NumpySystem
from gdprops.numerics.second_order_law import lower_hessian_times_gradient
from gdprops.numerics.updates import sweep_displacements

if TYPE_CHECKING:
    from gdprops.model.arrays import Array

FORWARD, BACKWARD = ((0,), (1,)), ((1,), (0,))
RATE = 0.25
RATES = tuple(2.0**-k for k in range(1, 13))


@final
@dataclass(frozen=True)
class TwoWeights:
    """The cost J(w1, w2) = ½ Σ (w2 tanh(w1 x) − y)², and the ends of one step and of two sweeps from one start."""

    start: tuple[float, float] = (0.7, 1.7)

    @cached_property
    def point(self) -> Point:
        """The network with its starting weights, on three samples."""
        layers = (Layer(0, None, "tanh"), Layer(1, None, "identity"))
        network = Network((layers,), ("w1", "w2"), (True, True), "half-sse")
        inputs = np.array([[-1.0], [0.5], [1.0]])
        tensors = tuple(np.array([[w]]) for w in self.start)
        return Point(network, tensors, Batch(inputs, 0.6 * inputs))

    def cost(self, first: Array, second: Array) -> Array:
        """Return J for every pair of weights of a grid."""
        value = [loss_at(unflat(self.point, np.array([a, b]))) for a, b in zip(first.flat, second.flat, strict=True)]
        return np.array(value, dtype=float).reshape(first.shape)

    def stepped(self, rate: float = RATE) -> Array:
        """Return the weights after the simultaneous step."""
        return NumpySystem().step(self.point, rate)

    def swept(self, order: Any, rate: float = RATE) -> list[Array]:
        """Return the path of a sweep: the starting weights, and the weights after every block."""
        w = flat_weights(self.point)
        return [w, *(NumpySystem().sweep(self.point, order[: k + 1], rate) for k in range(len(order)))]

    def apart(self, order: Any, rates: Any = RATES) -> list[float]:
        """Return the distance between the ends of a sweep and of the simultaneous step, for each learning rate."""
        look, w = NumpySystem().look(self.point), flat_weights(self.point)
        return [float(np.linalg.norm(sweep_displacements(look, w, order, rate))) for rate in rates]

    def law(self, order: Any, rates: Any = RATES) -> list[float]:
        """Return the distance that the law of divergence predicts for each learning rate: η² |lower(H) g|."""
        size = float(np.linalg.norm(lower_hessian_times_gradient(self.point, order)))
        return [rate**2 * size for rate in rates]
