"""The NumPy reference as a system: gdprops' own passes, over floats or fractions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gdprops.model.network import Network
from gdprops.numerics import updates
from gdprops.numerics.dual_numbers import directional_derivative
from gdprops.numerics.flat import flat_gradient, flat_weights, unflat
from gdprops.numerics.losses import inverse
from gdprops.numerics.network_pass import gradient_at, loss_at

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.case import Block
    from gdprops.model.network import Batch, Point


class Looking:
    """What all systems share: counted gradient evaluations, the simultaneous step, and the sweep.

    Each deliberately faulty system overrides one of these methods.
    """

    name = "a system"
    rational = False

    def __init__(self) -> None:
        self._looks = 0

    def looks(self) -> int:
        """Return how many gradient evaluations were made so far."""
        return self._looks

    def gradient(self, point: Point) -> list[Array | None]:
        """Return the gradients of all tensors at once."""
        raise NotImplementedError

    def look(self, point: Point) -> updates.Gradient:
        """Return the flat gradient as a function of the flat weights; every call is one gradient evaluation."""

        def gradient(w: Array) -> Array:
            self._looks += 1
            here = unflat(point, w)
            return flat_gradient(here, self.gradient(here))

        return gradient

    def step(self, point: Point, rate: Any) -> Array:
        """Return the flat trainable weights after one simultaneous step."""
        return updates.simultaneous_step(self.look(point), flat_weights(point), rate)

    def sweep(self, point: Point, blocks: Sequence[Block], rate: Any) -> Array:
        """Return the flat trainable weights after a sequential sweep over the blocks in this order."""
        return updates.sweep(self.look(point), flat_weights(point), blocks, rate)

    def additive(self, point: Point, parts: Sequence[Batch]) -> list[Array | None]:
        """Return the weighted sum of the micro-batches' gradients; the weights are 1, or shares of the rows."""
        rows = sum(len(part.inputs) for part in parts)
        total: list[Any] = [None] * len(point.tensors)
        for part in parts:
            share = 1 if point.network.loss == "half-sse" else len(part.inputs) * inverse(rows, part.inputs)
            for i, g in enumerate(self.gradient(point.on(part))):
                if g is not None:
                    total[i] = share * g if total[i] is None else total[i] + share * g
        return total


class NumpySystem(Looking):
    """Reverse mode in plain NumPy; forward mode by dual numbers."""

    name = "NumPy reference"
    rational = True

    def loss(self, point: Point) -> Any:
        """Return the loss J at the point."""
        return loss_at(point)

    def gradient(self, point: Point) -> list[Array | None]:
        """Return the gradients of all tensors at once; None for a frozen or unused tensor."""
        return gradient_at(point)

    def block_by_block(self, point: Point, order: Sequence[int], *, retained: bool) -> list[Array | None]:
        """Return the gradients, computed one tensor after the other; ``retained`` makes no difference here."""
        found: list[Array | None] = [None] * len(point.tensors)
        for i in order:
            found[i] = gradient_at(_only(point, i))[i]
        return found

    def directional(self, point: Point, direction: Sequence[Array]) -> Any:
        """Return the derivative of J along a direction, in forward mode."""
        return directional_derivative(point, direction)

    def regrouped(self, point: Point, partition: Sequence[Block]) -> Array:
        """Return the flat gradient, computed one block of the partition after the other."""
        found = flat_weights(point) * 0
        for block in map(list, partition):
            found[block] = self.look(point)(flat_weights(point))[block]
        return np.asarray(found)


def _only(point: Point, tensor: int) -> Point:
    """Return the point with every other tensor frozen."""
    old = point.network
    trainable = tuple(trains and i == tensor for i, trains in enumerate(old.trainable))
    network = Network(old.towers, old.names, trainable, old.loss, old.scale)
    return type(point)(network, point.tensors, point.batch)
