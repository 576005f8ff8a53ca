"""Variants of tensors and gradients: repeated, enlarged, made complex, turned, or replaced by others.

The chapter optimizer compares a run on given tensors with a run on variants of them. Example: ``paired`` turns the
vector (1, 2) into pairs of a real and an imaginary part, and ``complex_of`` turns the pairs into two complex numbers.
"""

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
    """Return values as an array with the dtype and shape of another; NumPy turns 0-d arrays into scalars on the way."""
    return np.asarray(values, dtype=like.dtype).reshape(like.shape)


def any_entry(values: Array) -> bool:
    """Say whether any entry is not zero; NaN counts as not zero."""
    return bool(values.any())


def far_apart(w: Array, start: Array) -> bool:
    """Say whether any entry is further from its start than 1024 ulps of the tensor's largest entry."""
    ulp = np.spacing(np.abs(start).max(initial=0))
    return bool((np.abs(w - start) > decisions.FAR_ULPS * ulp).any())


def square(weights: Sequence[Array]) -> float:
    """Return |w|² over all tensors, in float64."""
    return sum(float((w.astype(np.float64) ** 2).sum()) for w in weights)


def each_gradient(case: UpdateCase, change: Callable[[Array], Array]) -> tuple[tuple[Array | None, ...], ...]:
    """Return the gradients of all steps with a change made to each; missing ones stay None."""
    return tuple(tuple(None if g is None else change(g) for g in step) for step in case.gradients)


def changed_everywhere(case: UpdateCase, change: Callable[[Array], Array]) -> UpdateCase:
    """Return the case with a change made to every tensor and every gradient."""
    return replace(case, tensors=tuple(map(change, case.tensors)), gradients=each_gradient(case, change))


def other_gradients(step: Gradients) -> Iterator[list[Array | None]]:
    """Yield other gradients for a step: of two other sizes and signs, each in three directions.

    In a tensor of two entries or more, no two of them are equal.
    """
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
    """Return the case with one more tensor, at the front of its first group.

    ``made`` makes the tensor from tensor number ``of``, and its gradients from the gradients of that tensor.
    """
    more = (*case.tensors, made(case.tensors[of]))
    fed = tuple((*step, None if (g := step[of]) is None else made(g)) for step in case.gradients)
    first, *rest = case.plan.groups
    return replace(case, tensors=more, gradients=fed, plan=replace(case.plan, groups=((len(more) - 1, *first), *rest)))


def with_a_matrix(case: UpdateCase) -> UpdateCase:
    """Return a case that has a matrix; if it has none, a 2 by 2 matrix of its largest tensor's numbers is added."""
    sizes = [w.size for w in case.tensors]
    if any(w.ndim > 1 for w in case.tensors):
        return case
    return with_one_more(case, sizes.index(max(sizes)), lambda values: np.resize(values, (2, 2)))


def enlarged(values: Array) -> Array:
    """Return a matrix repeated to at least 48 rows and 48 columns, its entries varied; other tensors as they are."""
    if values.ndim != 2 or not values.size:
        return values
    return varied(np.tile(values, [-(-decisions.SIDE_OF_A_MATRIX // side) for side in values.shape]))


def tiled(values: Array, size: int) -> Array:
    """Return a tensor repeated along its first dimension, an odd number of times, to about ``size`` entries."""
    if values.ndim == 0 or not values.size:
        return values
    times = size // values.size | 1
    return np.tile(values, (times, *[1] * (values.ndim - 1)))


def varied(values: Array) -> Array:
    """Return a tensor with each entry changed by up to a quarter: a matrix of equal rows cannot be decomposed well."""
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
    """Return numbers with imaginary parts, both in a last dimension of two.

    The imaginary parts are ¼ - ½ x, for the numbers x in reverse order.
    """
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
    """Return complex numbers as pairs of real and imaginary part, in a last dimension of two."""
    return np.stack([numbers.real, numbers.imag], axis=-1)


def turned(pairs: Array) -> Array:
    """Return the complex numbers times (3 + 4i) / 5, real and imaginary parts in the last dimension."""
    (cos, sin), (real, imaginary) = decisions.TURN, (pairs[..., 0], pairs[..., 1])
    return np.stack([cos * real - sin * imaginary, sin * real + cos * imaginary], axis=-1, dtype=pairs.dtype)
