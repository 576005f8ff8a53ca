"""Arrays that move the result of every operation by one ulp, up or down at random.

A rule that runs on such arrays shows how far its own rounding may carry the result (Monte Carlo arithmetic).
"""

from __future__ import annotations

from functools import cache
from typing import Any, ClassVar

import numpy as np

from gdprops.numerics.decisions import FLIPPED_ROUNDINGS
from gdprops.numerics.published.exact_numbers import Exact, each


class Shaken(np.ndarray[Any, Any]):
    """An array that a rule uses like any other; every result of an operation is moved by one ulp."""

    generator: ClassVar[np.random.Generator] = np.random.default_rng(0)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **given: Any) -> Any:
        """Compute as usual and move the result by one ulp; ``out`` is not supported, because rules do not use it."""
        plain = [x.view(np.ndarray) if isinstance(x, Shaken) else x for x in inputs]
        result = getattr(ufunc, method)(*plain, **given)
        return tuple(map(moved, result)) if isinstance(result, tuple) else moved(result)


def moved(result: Any) -> Any:
    """Return a floating-point result moved by one ulp, any other result as it is."""
    array = np.asarray(result)
    if array.dtype.kind != "f":
        return result
    ups = Shaken.generator.integers(0, 2, array.shape, dtype=np.int8)
    return np.asarray(array * _an_ulp_off(array.dtype)[ups]).view(Shaken)


@cache
def _an_ulp_off(dtype: np.dtype[Any]) -> Any:
    """Return the numbers beside 1, the smaller one first."""
    ulp = np.finfo(dtype).eps
    return np.array([1 - ulp, 1 + ulp], dtype)


def shaken(array: Any) -> Any:
    """Return an array whose operations are shaken from now on; its own numbers are exact."""
    return np.asarray(array).view(Shaken)


def kept_in_single(value: Any, like: Any) -> Any:
    """Return a number that implementations keep in float32 whatever the weights are: shaken by an ulp of float32."""
    return value * (1 + float(np.finfo(np.float32).eps) * _sign()) if isinstance(like, Shaken) else value


def in_dtype(value: Any, like: Any) -> Any:
    """Return a number that some implementations compute in the tensor's dtype: shaken by an ulp of that dtype."""
    return value * (1 + float(np.finfo(like.dtype).eps) * _sign()) if isinstance(like, Shaken) else value


def _sign() -> int:
    return int(Shaken.generator.integers(0, 2)) * 2 - 1


def bfloat16(x: Any) -> Any:
    """Round to the 8 significant bits of bfloat16 (Veltkamp's splitting of a float32); shaken, some go otherwise."""
    if np.asarray(x).dtype == object:
        return each(np.asarray(x), Exact.bfloat16)
    plain = np.asarray(x).view(np.ndarray).astype(np.float32)
    shifted = plain * np.float32(2**16 + 1)
    rounded = shifted - (shifted - plain)
    if not isinstance(x, Shaken):
        return rounded
    flips = Shaken.generator.integers(0, FLIPPED_ROUNDINGS, rounded.shape) == 0
    return (rounded * np.where(flips, np.float32(1 + _sign() * 2.0**-7), np.float32(1))).view(Shaken)
