"""The exact certificate's numbers: values that are multiples of 2^e, with no partial sum above M in magnitude.

If M / 2^e stays below 2^p everywhere, every correct computation is exact at p bits, whatever its order, with or without
fused multiply-add. Backward magnitudes are sums over paths of absolute values, never the cancelled values, so that
forward mode is covered too. For example, 0.75 and 1.5 are multiples of 2^-2 with M = 2.25: their sum needs 4 bits.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, final

import numpy as np

from gdprops.errors import Uncertified
from gdprops.numerics.activations import ACTIVATIONS, LEAK
from gdprops.numerics.decisions import DOUBLE, FORMATS, MAGNITUDE_SLACK
from gdprops.numerics.tracked import Tracked

if TYPE_CHECKING:
    from gdprops.model.arrays import Array

_SLOPE_EXPONENT = {"identity": 0, "relu": 0, "leaky-relu": int(np.log2(LEAK))}
_NOTHING = 1 << 20
"""The granularity of an array of zeros, which are multiples of everything."""
_FEW = 64


def granularity(values: Array | float) -> int:
    """Return the largest e such that every entry is a multiple of 2^e. Raises `Uncertified` where one is not finite."""
    try:
        ratios = [x.as_integer_ratio() for x in np.ravel(values).tolist() if x]
    except (OverflowError, ValueError) as error:
        raise Uncertified(f"not finite: {error}") from error
    if not ratios:
        return _NOTHING
    finest = max(denominator for _, denominator in ratios)
    if finest > 1:
        return 1 - int(finest).bit_length()
    common = math.gcd(*(numerator for numerator, _ in ratios))
    return (common & -common).bit_length() - 1


def _largest(bound: Array) -> float:
    """Return the largest entry, 0 where there is none: of few numbers Python finds it sooner than NumPy."""
    return max(bound.ravel().tolist(), default=0.0) if bound.size <= _FEW else float(bound.max())


@final
class Granular(Tracked):
    """An array of exact values, with the magnitude bound of its partial sums and with its granularity.

    Raises `Uncertified` from any operation whose result might not be exact at ``precision`` bits.
    """

    __slots__ = ("bound", "exponent", "precision")

    def __init__(self, value: Array, bound: Array, exponent: int, precision: int) -> None:
        super().__init__(value)
        self.bound, self.exponent, self.precision = bound, exponent, precision
        self._require_fit()

    def _require_fit(self) -> None:
        largest = _largest(self.bound)
        if largest == 0.0 and self.exponent >= FORMATS[DOUBLE].smallest:  # a finer granularity means zero by underflow
            return
        form = FORMATS[self.precision]
        fits = largest <= 2.0 ** min(self.precision + self.exponent, 1023) * MAGNITUDE_SLACK
        if not (fits and self.exponent >= form.smallest and largest < 2.0**form.largest):
            raise Uncertified(f"{largest:g} in units of 2^{self.exponent} needs over {self.precision} bits")

    @classmethod
    def of(cls, value: Array | float, precision: int) -> Granular:
        """Return an array's entries as exact inputs of a computation."""
        array = np.asarray(value, dtype=np.float64)
        return cls(array, np.abs(array), granularity(array), precision)

    def _new(self, value: Array, bound: Array, exponent: int) -> Granular:
        return Granular(np.asarray(value), np.asarray(bound), exponent, self.precision)

    def lift(self, other: Any) -> Granular:
        return Granular.of(other, self.precision)

    def _proved(self, value: Array, bound: Array) -> Granular:
        """Return some of these numbers, or all of them in another shape: what fits needs no proof again."""
        found = object.__new__(Granular)
        found.value, found.bound, found.exponent, found.precision = value, bound, self.exponent, self.precision
        return found

    @property
    def T(self) -> Granular:  # noqa: N802 - the array's own name
        return self._proved(self.value.T, self.bound.T)

    def matmul(self, other: Granular) -> Granular:
        return self._new(self.value @ other.value, self.bound @ other.bound, self.exponent + other.exponent)

    def add(self, other: Granular) -> Granular:
        exponent = min(self.exponent, other.exponent)
        return self._new(self.value + other.value, self.bound + other.bound, exponent)

    def multiply(self, other: Granular) -> Granular:
        return self._new(self.value * other.value, self.bound * other.bound, self.exponent + other.exponent)

    def total(self, axis: int | None) -> Granular:
        return self._new(self.value.sum(axis=axis), self.bound.sum(axis=axis), self.exponent)

    def part(self, key: Any) -> Granular:
        return self._proved(np.asarray(self.value[key]), np.asarray(self.bound[key]))

    def settled(self) -> Granular:
        return self._proved(self.value, np.abs(self.value))

    def activate(self, name: str) -> tuple[Granular, Granular]:
        activation, z = ACTIVATIONS[name], self.value
        if not activation.exact:
            raise Uncertified(f"{name} is not exact")
        slope = activation.slope(z)
        e_slope = self.exponent + 1 if name == "square" else _SLOPE_EXPONENT[name]
        out, e_out = activation.value(z), self.exponent + (e_slope if name != "square" else self.exponent)
        return self._new(out, np.abs(out), e_out), self._new(slope, np.abs(slope), e_slope)
