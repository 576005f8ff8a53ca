"""The weights, gradients and hyperparameters of the vectors: short binary fractions that tell a rule's forms apart.

At ``beta = 7/8`` a factor that an implementation keeps in float32 is the same number; at 0.9 it costs 4e-8 of Adam's
step in float64. Sizes of tensors are squares, so that the root of a size is a number that can be written down.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from gdprops.model.arrays import Array
from gdprops.numerics.published.rule import Published, hyperparameters_of

SHAPES = ((2, 2), (4, 1), (4,))
MATRICES = ((2, 2), (8, 2))
RATE, DEFAULT_RATE = 2.0**-3, 0.01
HALVED = 0.5
"""The factor of the rate at the last step: whether a velocity contains the rate shows only at a change."""
FALLS = 2.0**-6
"""The factor of the first tensor's gradients after the first step: a kept maximum shows where they fall."""

_DYADIC: dict[str, Any] = {
    "betas": (7 / 8, 1 - 2.0**-10),
    "alpha": 7 / 8,
    "rho": 7 / 8,
    "etas": (0.5, 1.25),
    "step_sizes": (2.0**-20, 32.0),
    "beta2_decay": -0.75,
}
_DYADIC_OF: dict[str, dict[str, Any]] = {
    "amsgrad": {"betas": (7 / 8, 3 / 4)},  # the maximum shows only where the mean square falls
    "lion": {"betas": (0.5, 0.75)},  # nearer to 1 its mistakes show too rarely
    "adafactor": {"eps": (0.25, 2.0**-10)},
    "muon": {"eps": 2.0**-23},  # the three coefficients stay as published: implementations have them as constants
}


@final
@dataclass(frozen=True, slots=True)
class Feed:
    """What an implementation is given: weights, gradients by step, hyperparameters, and each step's learning rate."""

    dtype: Any
    weights: tuple[Array, ...]
    gradients: tuple[tuple[Array, ...], ...]
    settings: Mapping[str, Any]
    rates: tuple[float, ...]


def dyadic_feed(rule: Published, dtype: Any) -> Feed:
    """Return a feed whose numbers are short binary fractions, with everything switched on that the rule has."""
    defaults = _defaults(rule)
    dyadic = {name: value for name, value in _DYADIC.items() if name in defaults}
    return _feed(rule, {**defaults, **rule.options, **dyadic, **_DYADIC_OF.get(rule.name, {})}, RATE, dtype)


def default_feed(rule: Published, dtype: Any) -> Feed:
    """Return a feed at the rule's default hyperparameters."""
    defaults = _defaults(rule)
    if rule.name == "adafactor":  # its first epsilon is by default that of the dtype
        defaults["eps"] = (float(np.finfo(dtype).eps), defaults["eps"][1])
    return _feed(rule, defaults, DEFAULT_RATE, dtype)


def _defaults(rule: Published) -> dict[str, Any]:
    return {name: value for name, value in hyperparameters_of(rule.step).items() if name != "lr"}


def _feed(rule: Published, settings: dict[str, Any], rate: float, dtype: Any) -> Feed:
    steps, shapes = rule.steps[1], MATRICES if rule.name == "muon" else SHAPES
    rates = (rate,) * (steps - 1) + (rate * HALVED,)
    weights = tuple(_short(np.sin(np.arange(1, _size(s) + 1) * (k + 1.1)) + k - 0.4, s) for k, s in enumerate(shapes))
    sizes = _sizes(settings)[: len(shapes)]
    gradients = tuple(
        tuple(
            _gradient(k, t, s, size * (FALLS if t and not k else 1))
            for k, (s, size) in enumerate(zip(shapes, sizes, strict=False))
        )
        for t in range(steps)
    )
    cast = [tuple(a.astype(dtype) for a in arrays) for arrays in (weights, *gradients)]
    return Feed(dtype, cast[0], tuple(cast[1:]), settings, rates)


def _gradient(k: int, t: int, shape: tuple[int, ...], size: float) -> Array:
    return _short(np.cos(np.arange(_size(shape)) * (k + 1.3) + t * 1.7 + k) + 0.3, shape) * size


def _sizes(settings: Mapping[str, Any]) -> tuple[float, ...]:
    """Return sizes of gradients: 1, about epsilon, and about its square root: forms differ in where it stands."""
    value = settings.get("eps")
    epsilon = float((value[0] if isinstance(value, tuple) else value) or 1.0)
    power = round(math.log2(epsilon))
    return 1.0, 2.0**power, 2.0 ** (power // 2)


def _short(numbers: Array, shape: tuple[int, ...]) -> Array:
    """Return numbers rounded to odd multiples of 1/64: none is 0."""
    return np.asarray((2 * np.floor(numbers * 32) + 1) / 64).reshape(shape)


def _size(shape: tuple[int, ...]) -> int:
    return math.prod(shape)
