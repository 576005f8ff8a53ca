"""The running bound's numbers: values with a bound on the rounding error of any correct computation of them.

Errors are in units of the unit roundoff u; two correct computations differ by at most 2u times the bound. Products also
carry the second-order term (a residual may consist of rounding only), and what underflow may take from them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, final

import numpy as np

from gdprops.errors import Uncertified
from gdprops.numerics import losses
from gdprops.numerics.activations import ACTIVATIONS
from gdprops.numerics.decisions import ELEMENTARY, FORMATS, unit
from gdprops.numerics.tracked import Tracked

if TYPE_CHECKING:
    from gdprops.model.arrays import Array


@final
class Rounded(Tracked):
    """An array of computed values, and the running bound of their error in units of u."""

    __slots__ = ("error", "precision")

    def __init__(self, value: Array, error: Array, precision: int) -> None:
        super().__init__(value)
        self.error, self.precision = error, precision

    @classmethod
    def of(cls, value: Array | float, precision: int) -> Rounded:
        """Return an array's entries as inputs without error."""
        array = np.asarray(value, dtype=np.float64)
        return cls(array, np.zeros_like(array), precision)

    def _new(self, value: Array, error: Array) -> Rounded:
        return Rounded(np.asarray(value), np.asarray(error), self.precision)

    def lift(self, other: Any) -> Rounded:
        return Rounded.of(other, self.precision)

    @property
    def T(self) -> Rounded:  # noqa: N802 - the array's own name
        return self._new(self.value.T, self.error.T)

    @property
    def _unit(self) -> float:
        return unit(self.precision)

    @property
    def _tiny(self) -> float:
        """The smallest normal number, in units of u: what a product may lose to gradual or abrupt underflow."""
        return math.ldexp(1.0, FORMATS[self.precision].smallest + 2 * self.precision - 1)

    def matmul(self, other: Rounded) -> Rounded:
        a, b, terms = np.abs(self.value), np.abs(other.value), self.value.shape[-1]
        error = self.error @ b + a @ other.error + self._unit * (self.error @ other.error)
        return self._new(self.value @ other.value, error + (terms + 1) * (a @ b) + terms * self._tiny)

    def add(self, other: Rounded) -> Rounded:
        value = self.value + other.value
        return self._new(value, self.error + other.error + np.abs(self.value) + np.abs(other.value))

    def multiply(self, other: Rounded) -> Rounded:
        value = self.value * other.value
        error = self.error * np.abs(other.value) + np.abs(self.value) * other.error
        return self._new(value, error + self._unit * self.error * other.error + np.abs(value) + self._tiny)

    def total(self, axis: int | None) -> Rounded:
        terms = self.value.size if axis is None else self.value.shape[axis]
        error = self.error.sum(axis=axis) + terms * np.abs(self.value).sum(axis=axis)
        return self._new(self.value.sum(axis=axis), error)

    def part(self, key: Any) -> Rounded:
        return self._new(self.value[key], self.error[key])

    def activate(self, name: str) -> tuple[Rounded, Rounded]:
        activation, z = ACTIVATIONS[name], self.value
        if activation.kinked and (np.abs(z) <= 2 * self._unit * self.error).any():
            raise Uncertified(f"a {name} sits within rounding of its kink")
        h, slope, curvature = activation.value(z), activation.slope(z), np.abs(activation.curvature(z))
        second = curvature * self.error**2 * self._unit / 2
        e_h = np.abs(slope) * self.error + second + 2 * np.abs(h) + self._tiny
        if activation.kinked or name == "identity":
            return self._new(h, e_h), self._new(slope, np.zeros_like(slope))
        own = 0.0 if activation.exact else ELEMENTARY * np.abs(h)  # 1 - h² and h (1 - h) at most double this error
        return self._new(h, e_h + own), self._new(slope, curvature * self.error + 4 * np.abs(slope) + 2 + 2 * own)

    def logistic_slope(self, loss: str, targets: Array) -> Rounded:
        """Return dJ/d(logit) of a mean logistic loss, (p - y) / n, with p's error from the logits' and from exp's."""
        z, logits = self.value, self.error
        if loss == "bce":
            p = losses.sigmoid(z)
            e_p = p * (1 - p) * (logits + np.abs(z)) + ELEMENTARY * p
            y, rows = targets, targets.size
        else:
            shifted = np.abs(losses.log_softmax(z)) + np.abs(z - z.max(axis=1, keepdims=True))
            p, each = losses.softmax(z), logits + shifted
            e_p = p * (each + (p * each).sum(axis=1, keepdims=True) + z.shape[1] + ELEMENTARY)
            y, rows = losses.one_hot(targets, z), len(targets)
        d = (p - y) / rows
        return self._new(d, (e_p + np.abs(p - y) * 3 + p + np.abs(y)) / rows + self._tiny)
