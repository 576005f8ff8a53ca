"""Tensors made of others: repeated, varied, paired to complex numbers; and gradients in place of others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gdprops.numerics import decisions

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.case import UpdateCase
    from gdprops.model.subject import Gradients


def array(values: Any, *, like: Array) -> Array:
    """Return numbers in the dtype and shape of an array: arithmetic turns arrays without dimensions into numbers."""
    return np.asarray(values, dtype=like.dtype).reshape(like.shape)


def any_entry(values: Array) -> bool:
    """Say whether any entry is not zero; NaN is none."""
    return bool(values.any())


def far_apart(w: Array, start: Array) -> bool:
    """Say whether any entry is so far from where it began that no rounding hides the way."""
    ulp = np.spacing(np.abs(start).max(initial=0))
    return bool((np.abs(w - start) > decisions.FAR_ULPS * ulp).any())


def square(weights: Sequence[Array]) -> float:
    """Return |w|² over all tensors, in float64."""
    return sum(float((w.astype(np.float64) ** 2).sum()) for w in weights)


def each_gradient(case: UpdateCase, change: Callable[[Array], Array]) -> tuple[tuple[Array | None, ...], ...]:
    """Return every gradient that is there, changed."""
    return tuple(tuple(None if g is None else change(g) for g in step) for step in case.gradients)


def other_gradients(step: Gradients) -> Iterator[list[Array | None]]:
    """Yield gradients of other sizes and signs, then of other directions too: no two of them, from two entries on."""
    for factor in decisions.OTHER_GRADIENTS:
        for turned in (_as_it_is, _plus_a_ramp, _plus_a_falling_ramp):
            yield [None if g is None else array(factor * turned(g), like=g) for g in step]


def _as_it_is(values: Array) -> Array:
    return values


def _plus_a_ramp(values: Array) -> Array:
    return values + np.arange(1, values.size + 1).reshape(values.shape)


def _plus_a_falling_ramp(values: Array) -> Array:
    return values + np.arange(values.size, 0, -1).reshape(values.shape)


def with_one_more(case: UpdateCase, of: int = 0, made: Callable[[Array], Array] = np.copy) -> UpdateCase:
    """Return a case with one more tensor at the front of its first group, made of another one, as its gradients are."""
    more = (*case.tensors, made(case.tensors[of]))
    fed = tuple((*step, None if (g := step[of]) is None else made(g)) for step in case.gradients)
    first, *rest = case.plan.groups
    return replace(case, tensors=more, gradients=fed, plan=replace(case.plan, groups=((len(more) - 1, *first), *rest)))


def with_a_matrix(case: UpdateCase) -> UpdateCase:
    """Return a case that has a matrix: where it has none, one of the numbers of its largest tensor."""
    sizes = [w.size for w in case.tensors]
    if any(w.ndim > 1 for w in case.tensors):
        return case
    return with_one_more(case, sizes.index(max(sizes)), lambda values: np.resize(values, (2, 2)))


def enlarged(values: Array) -> Array:
    """Repeat a matrix along rows and columns, until it has at least 48 of both, and vary what was repeated."""
    if values.ndim != 2 or not values.size:
        return values
    return varied(np.tile(values, [-(-decisions.SIDE_OF_A_MATRIX // side) for side in values.shape]))


def tiled(values: Array, size: int) -> Array:
    """Repeat a tensor along its first dimension, an odd number of times, until it has so many entries."""
    if values.ndim == 0 or not values.size:
        return values
    times = size // values.size | 1
    return np.tile(values, (times, *[1] * (values.ndim - 1)))


def varied(values: Array) -> Array:
    """Return a tensor whose entries are moved by up to a quarter: repeated rows have no decomposition of their own."""
    waves = np.cos(decisions.WAVE * np.arange(values.size)).reshape(values.shape)
    return array(values * (1 + waves / 4), like=values)


def copy_of(large: Array, like: Array, place: float) -> Array:
    """Return one copy out of a tiled tensor: the first (0), one in between, or the last (1)."""
    if large.shape == like.shape:
        return large
    rows = like.shape[0]
    at = int(place * (large.shape[0] // rows - 1)) * rows
    return large[at : at + rows]


def paired(values: Array) -> Array:
    """Give every number an imaginary part, in a last dimension of two: the numbers in reverse order, turned round."""
    first, slope = decisions.IMAGINARY
    turned = first + slope * values.ravel()[::-1].reshape(values.shape)
    return np.ascontiguousarray(np.stack([values, turned], axis=-1), dtype=values.dtype)


def clipped_in_size(g: Array, least: float, most: float) -> Array:
    """Return an array whose entries other than 0 lie between two absolute values, with their signs."""
    return np.asarray(np.sign(g) * np.clip(np.abs(g), least, most), dtype=g.dtype)


def complex_of(pairs: Array) -> Array:
    """Return the complex numbers whose real and imaginary parts lie in the last dimension."""
    numbers: Array = pairs.view(f"c{2 * pairs.dtype.itemsize}")[..., 0]
    return numbers


def pairs_of(numbers: Array) -> Array:
    """Return real and imaginary parts in a last dimension of two."""
    return np.stack([numbers.real, numbers.imag], axis=-1)


def turned(pairs: Array) -> Array:
    """Return the complex numbers times (3 + 4i) / 5, real and imaginary parts in the last dimension."""
    (cos, sin), (real, imaginary) = decisions.TURN, (pairs[..., 0], pairs[..., 1])
    return np.stack([cos * real - sin * imaginary, sin * real + cos * imaginary], axis=-1, dtype=pairs.dtype)
