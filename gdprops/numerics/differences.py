"""Central differences with Richardson extrapolation: the derivative of any function of arrays, with its error.

`richardson` differentiates a function whose rounding is known; `cautious_gradient` a black box, the loss of
hand-written backprop, that may have a kink nearby.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gdprops.numerics.decisions import (
    KINK_ROUNDING,
    KINK_SHARE,
    RICHARDSON_MARGIN,
    RICHARDSON_ROUNDING,
    RICHARDSON_STEP,
    ROUGH_DIRECTIONS,
    ROUGH_MARGIN,
    ROUGH_PLACES,
    ROUGH_STEPS,
    unit,
)

if TYPE_CHECKING:
    from gdprops.model.arrays import Array

UNIT = unit(53)
Function = Callable[["Array"], float]


class Derivative(NamedTuple):
    """A partial derivative, how far it may be off, and whether the function has a kink there."""

    value: float
    error: float
    kinked: bool


def richardson(f: Function, w: Array, position: int, *, noise: float | None = None) -> Derivative:
    """Return df/dw at one position of a flat float64 vector.

    D(h) = (f(w+h) - f(w-h)) / 2h has the error h^2 f'''/6; R = (4 D(h/2) - D(h)) / 3 removes it. ``noise`` is the
    rounding error of one evaluation of f; None takes two unit roundoffs of the largest value, for black boxes.
    """
    h = RICHARDSON_STEP * max(1.0, abs(float(w[position])))
    values = {k: f(_moved(w, position, k * h)) for k in (-1.0, -0.5, -0.25, 0.25, 0.5, 1.0)}
    d1, d2, d3 = ((values[k] - values[-k]) / (2 * k * h) for k in (1.0, 0.5, 0.25))
    first, second = (4 * d2 - d1) / 3, (4 * d3 - d2) / 3
    rounding = (2 * UNIT * max(abs(v) for v in values.values()) if noise is None else noise) / h
    error = RICHARDSON_MARGIN * abs(second - first) + RICHARDSON_ROUNDING * rounding
    return Derivative(second, error, _kinked(f(w), values, h, KINK_ROUNDING * rounding))


def numerical_gradient(f: Function, w: Array, *, noise: float | None = None) -> list[Derivative]:
    """Return the derivatives by `richardson` at every position."""
    return [richardson(f, w, k, noise=noise) for k in range(w.size)]


def _moved(w: Array, position: int, by: float) -> Array:
    moved = np.array(w, dtype=np.float64)
    moved[position] += by
    return moved


def _kinked(at: float, values: dict[float, float], h: float, noise: float) -> bool:
    """Say whether the one-sided slopes disagree at h/4 as at h: smooth functions' slopes disagree four times less."""
    wide = (values[1.0] - 2 * at + values[-1.0]) / h
    near = (values[0.25] - 2 * at + values[-0.25]) / (0.25 * h)
    return abs(near) > noise and abs(near) > KINK_SHARE * abs(wide)


def cautious_gradient(f: Function, w: Array, *, noise: float) -> list[Derivative]:
    """Return the derivatives of a black box at every position; their errors cover kinks nearby.

    N(h) = f(w+h) - 2 f(w) + f(w-h) is f'' h^2 + O(h^4) where f is smooth: 4 N(h/2) - N(h) is then O(h^4). A slope that
    jumps by s anywhere within h leaves up to s h in it, and Richardson is off by at most s/2.
    """
    at = f(w)
    return [_cautious(f, w, k, at, noise) for k in range(w.size)]


def _cautious(f: Function, w: Array, position: int, at: float, noise: float) -> Derivative:
    h, parts = RICHARDSON_STEP * max(1.0, abs(float(w[position]))), (1.0, 0.5, 0.25)
    up, down = ([f(_moved(w, position, sign * k * h)) for k in parts] for sign in (1, -1))
    d1, d2, d3 = ((u - d) / (2 * k * h) for u, d, k in zip(up, down, parts, strict=True))
    first, second = (4 * d2 - d1) / 3, (4 * d3 - d2) / 3
    bends = [u - 2 * at + d for u, d in zip(up, down, strict=True)]
    jump = abs(4 * bends[2] - bends[1]) / (h / 2)
    error = RICHARDSON_MARGIN * abs(second - first) + jump + RICHARDSON_ROUNDING * noise / h
    return Derivative(second, error, jump > KINK_ROUNDING * noise / h and jump > KINK_SHARE * abs(second))


def roughness(f: Function, w: Array) -> float:
    """Return the rounding error of one evaluation of f, measured over a small distance.

    Along a direction f is a cubic up to O(d^4); whatever else seven unevenly spaced values show is rounding. So a loss
    that computes in float32, or is rounded to some digits, is noticed, whatever type it returns.
    """
    rng, worst = np.random.default_rng(0), 0.0
    powers = np.vander(ROUGH_PLACES, 4)
    for step in ROUGH_STEPS:
        for _ in range(ROUGH_DIRECTIONS):
            by = step * rng.uniform(0.5, 1.0, w.size) * (rng.integers(0, 2, w.size) * 2 - 1)
            values = np.array([f(w + t * by) for t in ROUGH_PLACES])
            values -= values[0]
            fitted = powers @ np.linalg.lstsq(powers, values, rcond=None)[0]
            worst = max(worst, float(np.abs(values - fitted).max()))
    return ROUGH_MARGIN * worst
