"""Dual numbers a + b eps with eps^2 = 0: forward mode, and exact Hessian-vector products from the backward pass.

A pass over w + v eps computes J and, in the factor of eps, dJ along v. The backward pass over dual numbers gives the
gradient, and in the factor of eps H v.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, final

import numpy as np

from gdprops.numerics import losses
from gdprops.numerics.activations import ACTIVATIONS
from gdprops.numerics.flat import zeros_like
from gdprops.numerics.network_pass import columns, gradient, outputs
from gdprops.numerics.tracked import Tracked

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.network import Point


@final
class Dual(Tracked):
    """A value and its tangent, both arrays of floats or of fractions."""

    __slots__ = ("tangent",)

    def __init__(self, value: Array, tangent: Array) -> None:
        super().__init__(value)
        self.tangent = tangent

    def lift(self, other: Any) -> Dual:
        array = np.asarray(other)
        return Dual(array, array * 0)

    @property
    def T(self) -> Dual:  # noqa: N802 - the array's own name
        return Dual(self.value.T, self.tangent.T)

    def matmul(self, other: Dual) -> Dual:
        return Dual(self.value @ other.value, self.tangent @ other.value + self.value @ other.tangent)

    def add(self, other: Dual) -> Dual:
        return Dual(self.value + other.value, self.tangent + other.tangent)

    def multiply(self, other: Dual) -> Dual:
        return Dual(self.value * other.value, self.tangent * other.value + self.value * other.tangent)

    def total(self, axis: int | None) -> Dual:
        return Dual(np.asarray(self.value.sum(axis=axis)), np.asarray(self.tangent.sum(axis=axis)))

    def part(self, key: Any) -> Dual:
        return Dual(self.value[key], self.tangent[key])

    def activate(self, name: str) -> tuple[Dual, Dual]:
        f, z = ACTIVATIONS[name], self.value
        slope = f.slope(z)
        return Dual(f.value(z), slope * self.tangent), Dual(slope, f.curvature(z) * self.tangent)


def along(point: Point, direction: Sequence[Array]) -> list[Dual]:
    """Return the tensors as duals that move along a direction."""
    return [Dual(w, v) for w, v in zip(point.tensors, direction, strict=True)]


def directional_derivative(point: Point, direction: Sequence[Array]) -> Any:
    """Return dJ(w + t v)/dt at 0 by a forward pass: no gradient is formed and nothing is reused."""
    batch, network = point.batch, point.network
    predicted = outputs(network, along(point, direction), batch.inputs)
    slopes = [
        losses.slope(network.loss, out.value, columns(network, batch.targets, k)) for k, out in enumerate(predicted)
    ]
    return sum((s * out.tangent).sum() for s, out in zip(slopes, predicted, strict=True))


def hessian_vector(point: Point, direction: Sequence[Array]) -> list[Array]:
    """Return H v tensor by tensor, as the tangent of the gradient (half-SSE and MSE only).

    A tensor that the loss does not depend on, or that is frozen, has zeros.
    """
    found = gradient(point.network, along(point, direction), point.batch)
    return [
        np.asarray(g.tangent) if isinstance(g, Dual) else zeros_like(w)
        for w, g in zip(point.tensors, found, strict=True)
    ]
