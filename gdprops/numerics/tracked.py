"""Numbers that carry a proof along: the interface of granularities, running bounds and dual numbers.

The network's forward and backward pass (`network_pass`) is written once, over anything that adds and multiplies like an
array. Plain arrays of floats or fractions run it as they are; a `Tracked` array carries more than values: a
certificate, an error bound, or a tangent.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from gdprops.model.arrays import Array


class Tracked(ABC):
    """An array-like number. ``value`` holds what a plain array would hold."""

    __slots__ = ("value",)
    __array_ufunc__ = None  # plain_array * tracked must reach our own __rmul__

    def __init__(self, value: Array) -> None:
        self.value = value

    @abstractmethod
    def lift(self, other: Any) -> Self:
        """Return a constant as a number of this type."""

    @property
    @abstractmethod
    def T(self) -> Self:  # noqa: N802 - the array's own name
        """Return the transpose."""

    @abstractmethod
    def matmul(self, other: Self) -> Self:
        """Return the matrix product."""

    @abstractmethod
    def add(self, other: Self) -> Self:
        """Return the sum, entry by entry."""

    @abstractmethod
    def multiply(self, other: Self) -> Self:
        """Return the product, entry by entry."""

    @abstractmethod
    def total(self, axis: int | None) -> Self:
        """Return the sum along an axis, or of everything."""

    @abstractmethod
    def part(self, key: Any) -> Self:
        """Return the entries that an index or slice picks."""

    @abstractmethod
    def activate(self, name: str) -> tuple[Self, Self]:
        """Return f(z) and f'(z)."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the values."""
        return tuple(self.value.shape)

    def __getitem__(self, key: Any) -> Self:
        return self.part(key)

    def settled(self) -> Self:
        """Return the number as a stored intermediate value, whose sums are finished."""
        return self

    def _other(self, other: Any) -> Self:
        return other if isinstance(other, type(self)) else self.lift(other)

    def __matmul__(self, other: Any) -> Self:
        return self.matmul(self._other(other))

    def __rmatmul__(self, other: Any) -> Self:
        return self.lift(other).matmul(self)

    def __add__(self, other: Any) -> Self:
        return self.add(self._other(other))

    def __radd__(self, other: Any) -> Self:
        return self.lift(other).add(self)

    def __sub__(self, other: Any) -> Self:
        return self.add(self._other(other) * -1)

    def __mul__(self, other: Any) -> Self:
        return self.multiply(self._other(other))

    def __rmul__(self, other: Any) -> Self:
        return self.lift(other).multiply(self)

    def sum(self, axis: int | None = None) -> Self:
        """Return the sum along an axis, or of everything."""
        return self.total(axis)


def settle(number: Any) -> Any:
    """Return a tracked number as a stored value; a plain array as it is."""
    return number.settled() if isinstance(number, Tracked) else number
