"""Numbers with which a published rule is computed exactly, so that its result can be rounded once.

An `Exact` is a fraction. Sums, products and quotients are exact. A root or a power that is no fraction keeps 400
significant bits, and so does everything that is computed from it, and a very long fraction:
`settles` says whether those bits decide how the number rounds. NumPy's functions work on arrays of such
numbers: ``np.sqrt(exact(np.array([2.0])))`` calls `Exact.sqrt`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Context, Decimal
from fractions import Fraction
from numbers import Rational
from typing import Any, final

import numpy as np

from gdprops.model.arrays import Array
from gdprops.numerics.decisions import FORMATS

BITS = 400
"""Significant bits of a number that is no fraction."""
LONGEST = 8000
"""The bits of the longest denominator: Newton's and Schulz' steps each make numbers five times as long."""
SETTLED = Fraction(1, 2**200)
"""What 400 bits may lose in a run of a rule, as a share: 200 bits are left for cancellation and for its steps."""
_DIGITS = Context(prec=int(BITS * math.log10(2)) + 2)
_FORMAT = {np.dtype(np.float64): 53, np.dtype(np.float32): 24}
BFLOAT16 = 8


@final
class Exact:
    """A fraction, or a number that is known to 400 bits."""

    __slots__ = ("_known", "value")

    def __init__(self, value: Fraction, *, known: bool = True) -> None:
        self._known = known and value.denominator.bit_length() <= LONGEST
        self.value = value if self._known else to_bits(value, BITS)

    def __add__(self, other: Any) -> Exact:
        return self._with(other, lambda a, b: a + b)

    def __sub__(self, other: Any) -> Exact:
        return self._with(other, lambda a, b: a - b)

    def __mul__(self, other: Any) -> Exact:
        return self._with(other, lambda a, b: a * b)

    def __truediv__(self, other: Any) -> Exact:
        if isinstance(other, float) and math.isinf(other):
            return Exact(Fraction(0))
        return self._with(other, lambda a, b: a / b)

    def __rsub__(self, other: Any) -> Exact:
        return self._with(other, lambda a, b: b - a)

    def __rtruediv__(self, other: Any) -> Exact:
        return self._with(other, lambda a, b: b / a)

    __radd__, __rmul__ = __add__, __mul__

    def __pow__(self, exponent: Any) -> Exact:
        power = exact_number(exponent)
        if power.value == Fraction(1, 2):
            return self.sqrt()
        if power.value.denominator == 1:
            return Exact(self.value ** int(power.value), known=self._known and power._known)
        if self.value in (0, 1):
            return self
        return Exact(Fraction(_DIGITS.power(_decimal(self.value), _decimal(power.value))), known=False)

    def __rpow__(self, base: Any) -> Exact:
        return exact_number(base).__pow__(self)

    def __neg__(self) -> Exact:
        return Exact(-self.value, known=self._known)

    def __abs__(self) -> Exact:
        return Exact(abs(self.value), known=self._known)

    def __bool__(self) -> bool:
        return self.value != 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Exact | Fraction | float | int) and self.value == _fraction(other)

    def __lt__(self, other: Any) -> bool:
        return self.value < _fraction(other)

    def __le__(self, other: Any) -> bool:
        return self.value <= _fraction(other)

    def __gt__(self, other: Any) -> bool:
        return self.value > _fraction(other)

    def __ge__(self, other: Any) -> bool:
        return self.value >= _fraction(other)

    def __hash__(self) -> int:
        return hash(self.value)

    def __float__(self) -> float:
        return float(self.value)

    def __repr__(self) -> str:
        return f"Exact({self.value})"

    def sqrt(self) -> Exact:
        """Return the root: a fraction where it is one, else 400 bits of it. `ValueError` for a number below 0."""
        top, bottom = math.isqrt(self.value.numerator), math.isqrt(self.value.denominator)
        if top * top == self.value.numerator and bottom * bottom == self.value.denominator:
            return Exact(Fraction(top, bottom), known=self._known)
        shift = 2 * (BITS + self.value.denominator.bit_length())
        root = math.isqrt((self.value.numerator << shift) // self.value.denominator)
        return Exact(Fraction(root, 1 << shift // 2), known=False)

    def bfloat16(self) -> Exact:
        """Return the nearest number of 8 significant bits. It is known where it is certain which number that is."""
        rounded = to_bits(self.value, BFLOAT16)
        return Exact(rounded, known=self._known or self._around(lambda v: to_bits(v, BFLOAT16)) == {rounded})

    def settles(self, dtype: Any) -> bool:
        """Say whether it is certain to which number of a dtype this one rounds."""
        return self._known or len(self._around(lambda v: nearest(v, dtype))) == 1

    def _around(self, rounded: Callable[[Fraction], Fraction]) -> set[Fraction]:
        """Return what the numbers round to between which this one certainly lies."""
        return {rounded(self.value * (1 + share)) for share in (-SETTLED, SETTLED)}

    def _with(self, other: Any, operation: Callable[[Fraction, Fraction], Fraction]) -> Exact:
        if isinstance(other, np.ndarray):
            return NotImplemented  # type: ignore[no-any-return]  # NumPy goes through its entries
        second = exact_number(other)
        return Exact(operation(self.value, second.value), known=self._known and second._known)


def exact_number(value: Any) -> Exact:
    """Return a number as it is, without rounding."""
    return value if isinstance(value, Exact) else Exact(_fraction(value))


def exact(array: Array) -> Array:
    """Return an array of the same shape whose entries are exact."""
    found = np.empty(array.size, dtype=object)
    found[:] = [exact_number(v) for v in array.ravel().tolist()]
    return found.reshape(array.shape)


def scalar(value: Any) -> Any:
    """Return a number as Python's float; an exact number stays exact."""
    return value if isinstance(value, Exact) else float(value)


def each(array: Array, function: Callable[[Exact], Any]) -> Array:
    """Return the function's results of every entry of an array of exact numbers, in the same shape."""
    found = np.empty(array.size, dtype=object)
    found[:] = [function(exact_number(v)) for v in array.ravel()]
    return found.reshape(array.shape)


def nearest(value: Fraction, dtype: Any) -> Fraction:
    """Return the nearest number of a floating-point dtype, ties to even; beyond its range `OverflowError`."""
    found = FORMATS[_FORMAT[np.dtype(dtype)]]
    rounded = to_bits(value, _FORMAT[np.dtype(dtype)], lowest=found.smallest)
    if abs(rounded) > (2 - Fraction(1, 2**52)) * Fraction(2) ** found.largest:
        raise OverflowError(f"{float(value)!r} is beyond {np.dtype(dtype).name}")
    return rounded


def to_bits(value: Fraction, bits: int, *, lowest: int | None = None) -> Fraction:
    """Return the nearest number of so many significant bits, ties to even; its last bit is at least 2**lowest."""
    if value == 0:
        return value
    exponent = value.numerator.bit_length() - value.denominator.bit_length() - bits
    exponent += abs(value) >= Fraction(2) ** (exponent + bits)
    if lowest is not None:
        exponent = max(exponent, lowest)
    unit = Fraction(2) ** exponent
    return round(value / unit) * unit


def _fraction(value: Any) -> Fraction:
    if isinstance(value, Exact):
        return value.value
    if isinstance(value, Fraction | float | int | np.floating):
        return Fraction(value if isinstance(value, Rational) else float(value))
    return Fraction(int(value))


def _decimal(value: Fraction) -> Decimal:
    return _DIGITS.divide(Decimal(value.numerator), Decimal(value.denominator))
