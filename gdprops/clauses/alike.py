"""Two computations of one rule that may round differently: how far they may be apart, and whether they are."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from gdprops.model.evidence import Evidence, combine
from gdprops.numerics import decisions
from gdprops.numerics.comparison import compare, differ
from gdprops.numerics.floor import perturbed

if TYPE_CHECKING:
    from gdprops.clauses.playing import Weights
    from gdprops.model.arrays import Array
    from gdprops.model.case import UpdateCase
    from gdprops.model.subject import Gradients

Rerun = Callable[["UpdateCase"], list["Weights"]]
"""Weights before and after every step of a feed, computed the way that is taken to be right."""


def array(values: Any, *, like: Array) -> Array:
    """Return numbers in the dtype and shape of an array: arithmetic turns arrays without dimensions into numbers."""
    return np.asarray(values, dtype=like.dtype).reshape(like.shape)


def any_entry(values: Array) -> bool:
    """Say whether any entry is not zero; NaN is none."""
    return bool(values.any())


def square(weights: Sequence[Array]) -> float:
    """Return |w|² over all tensors, in float64."""
    return sum(float((w.astype(np.float64) ** 2).sum()) for w in weights)


def alternatives(name: str, value: Any) -> dict[str, list[Any]]:
    """Return other values for a hyperparameter, those of a tuple entry by entry: ``betas[0]``, ``betas[1]``.

    Where its meaning is published they lie in its range; else they are its half and its double. What is no finite
    number has none, nor a zero of unknown meaning: it may switch something off, such as clipping by a norm over all
    parameters.
    """
    if isinstance(value, tuple | list):
        return {f"{name}[{k}]": [(*value[:k], other, *value[k + 1 :]) for other in found]
                for k, v in enumerate(value) if (found := _others(name, v))}  # fmt: skip
    found = _others(name, value)
    return {name: found} if found else {}


def _others(name: str, value: Any) -> list[Any]:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return []
    if name in decisions.ALTERNATIVES:
        return [other for other in decisions.ALTERNATIVES[name] if other != value]
    if isinstance(value, int):
        return [value // 2 or value + 1, 2 * value] if value else []
    return [factor * value for factor in decisions.FACTORS] if value else []


def invalid(settings: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return every hyperparameter with a known range, and values outside it."""
    return [
        (name, other)
        for name, value in settings.items()
        for other in decisions.INVALID.get(name, ())
        if isinstance(other, tuple) == isinstance(value, tuple | list) and value is not None
    ]


def listed(options: Any) -> str:
    """Return ``a=1, b=2``."""
    return ", ".join(f"{key}={value}" for key, value in options.items())


def finite_steps(expected: Sequence[Weights]) -> int:
    """Return after how many stops the first weight is not finite."""
    bad = (t for t, weights in enumerate(expected) if not all(np.isfinite(w).all() for w in weights))
    return next(bad, len(expected))


def steps_in_range(fed: Sequence[Gradients]) -> int:
    """Return after how many steps the gradients' squares first overflow: their norm is then not finite either."""
    with np.errstate(over="ignore", invalid="ignore"):
        sums = [sum(np.square(g).sum() for g in gradients if g is not None) for gradients in fed]
    return next((t for t, total in enumerate(sums) if not np.isfinite(total)), len(fed))


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


def rounded_alike(
    case: UpdateCase,
    seen: Sequence[Weights],
    expected: Sequence[Weights],
    rerun: Rerun,
    what: str,
    *,
    first: int = 0,
    extra: float = 0.0,
    rough: float = 0.0,
    names: Sequence[str] = (),
) -> Evidence:
    """Compare two trajectories of one rule that may round differently.

    Bit-equal ones agree. Else what is allowed is measured on ``rerun``: four times the largest change that ulps of
    weights, gradients and rates make, per tensor and step, a few ulps of the weights and of the way that was gone,
    there and back, and the share ``extra`` of it; ``rough`` where the rule rounds the gradients itself.
    """
    names = names or [f"w{i + 1}" for i in range(len(case.tensors))]
    if not any(differ(s, e) for s, e in zip(seen, expected, strict=True)):
        return Evidence()
    allowed = allowances(case, expected, rerun, extra, rough)
    return combine(
        compare(s, e, names=names, allowed=allowed[t], start=expected[max(t - 1, 0)], step=first + t, what=what)
        for t, (s, e) in enumerate(zip(seen, expected, strict=True))
    )


def allowances(
    case: UpdateCase, expected: Sequence[Weights], rerun: Rerun, extra: float, rough: float
) -> list[list[float]]:
    """Return what two correct computations may differ by, for every step and tensor.

    A rule that does not answer to ulps of a tensor's gradients (see `_deaf`) rounds them itself, to bfloat16 at worst:
    then that tensor's changes are as large as that rounding, and it is a share of what a step is made of, which a decay
    by the rate may undo.
    """
    rng, every = np.random.default_rng(0), range(len(case.tensors))
    fine = [rerun(_shaken(case, rng)) for _ in range(decisions.PERTURBATIONS)]
    deaf = _deaf(case, rerun, rng)
    coarse = [rerun(_coarse(case, rng)) for _ in range(decisions.PERTURBATIONS if deaf else 0)]
    moved = [fine + coarse if i in deaf else fine for i in every]
    shares = [max(extra, rough) if i in deaf else extra for i in every]
    undone = [max(case.plan.rates or (0.0,)) if i in deaf else 0.0 for i in every]
    return [[_allowed(t, i, expected, moved[i], shares[i], undone[i]) for i in every] for t in range(len(expected))]


def _allowed(
    t: int, i: int, expected: Sequence[Weights], moved: Sequence[Sequence[Weights]], extra: float, undone: float
) -> float:
    w, steps = expected[t][i], [np.abs(b[i] - a[i]) for a, b in pairwise(expected[: t + 1])]
    with np.errstate(all="ignore"):
        change = max(float(np.nan_to_num(np.abs(m[t][i] - w)).max(initial=0)) for m in moved)
    ulps = decisions.ULP * float(np.finfo(w.dtype).eps) / 2
    far = float(np.sum(steps, axis=0).max(initial=0)) if steps else 0.0
    size = float(np.abs(w).max(initial=0))
    rounded = (t + 1) * ulps * (size + decisions.RULE_ROUNDING * far)
    return decisions.FLOORS_IN_MAXIMUM_NORM * change + rounded + extra * (far + undone * size)


def _shaken(case: UpdateCase, rng: np.random.Generator) -> UpdateCase:
    gradients = _each(case, lambda g: perturbed([g], rng)[0])
    plan = replace(case.plan, rates=_shaken_rates(case, rng))
    return replace(case, tensors=tuple(perturbed(case.tensors, rng)), gradients=gradients, plan=plan)


def _shaken_rates(case: UpdateCase, rng: np.random.Generator) -> tuple[float, ...] | None:
    """A weight that a step brings to nothing, whatever it is, comes there by its rate alone: rules of norms stop."""
    if case.plan.rates is None:
        return None
    finest = min(float(np.finfo(w.dtype).eps) for w in case.tensors)
    signs = rng.integers(0, 2, len(case.plan.rates)) * 2 - 1
    return tuple(float(rate * (1 + sign * finest)) for rate, sign in zip(case.plan.rates, signs, strict=True))


def _deaf(case: UpdateCase, rerun: Rerun, rng: np.random.Generator) -> set[int]:
    """Return the tensors whose last weights answer to no ulp of the gradients.

    Small fractions lie on the ties of bfloat16, where an ulp decides how they are rounded: near them it does not.
    """
    near = _each(case, lambda g: array(g * (1 + rng.uniform(-1, 1, g.shape) * decisions.BFLOAT16_ULP / 4), like=g))
    beside = replace(case, gradients=near)
    stays, *moved = (rerun(given)[-1] for given in (beside, _nudged(beside, rng), _nudged(beside, rng)))
    return {i for i in range(len(case.tensors)) if not any(differ([m[i]], [stays[i]]) for m in moved)}


def _nudged(case: UpdateCase, rng: np.random.Generator) -> UpdateCase:
    """Move gradients by an ulp; those of 0 stay, for their ulps are so small that bfloat16 has them too."""
    return replace(case, gradients=_each(case, lambda g: _scaled(g, float(np.finfo(g.dtype).eps), rng)))


def _coarse(case: UpdateCase, rng: np.random.Generator) -> UpdateCase:
    return replace(case, gradients=_each(case, lambda g: _scaled(g, decisions.BFLOAT16_ULP, rng)))


def _each(case: UpdateCase, move: Callable[[Array], Array]) -> tuple[tuple[Array | None, ...], ...]:
    """Return every gradient that is there, moved."""
    return tuple(tuple(None if g is None else move(g) for g in step) for step in case.gradients)


def _scaled(g: Array, ulp: float, rng: np.random.Generator) -> Array:
    """Move every entry up or down by a share of itself."""
    return array(g * (1 + (rng.integers(0, 2, g.shape) * 2 - 1) * ulp), like=g)
