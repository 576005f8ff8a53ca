"""The simultaneous step and the sequential sweep, over floats or fractions alike.

The step takes every partial derivative at the same weights w; the sweep takes each at the weights v that the earlier
blocks have already moved.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gdprops.numerics.decisions import TRUST_BITS, TRUST_MOST

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.case import Block

Gradient = Callable[["Array"], "Array"]
"""The flat gradient as a function of the flat weights; every call is one gradient evaluation."""


def simultaneous_step(gradient: Gradient, w: Array, rate: Any) -> Array:
    """Return w - eta g(w): every partial derivative at the same weights (Jacobi). Eta may differ by weight."""
    stepped: Array = w - rate * gradient(w)
    return stepped


def sweep(gradient: Gradient, w: Array, blocks: Sequence[Block], rate: Any) -> Array:
    """Return the weights after v_b <- v_b - eta_b g_b(v) for each block in turn (Gauss-Seidel)."""
    v, eta = w.copy(), np.broadcast_to(rate, w.shape)
    for b in map(list, blocks):
        v[b] = v[b] - eta[b] * gradient(v)[b]
    return v


def sweep_displacements(gradient: Gradient, w: Array, blocks: Sequence[Block], rate: Any) -> Array:
    """Return -eta [g_b(v) - g_b(w)] for every weight: how far the sweep ends from the simultaneous step.

    It is never computed as v - w', whose digits cancel.
    """
    v, at_start, apart = w.copy(), gradient(w), np.zeros_like(w)
    for b in map(list, blocks):
        g = gradient(v)
        apart[b] = -rate * (g[b] - at_start[b])
        v[b] = v[b] - rate * g[b]
    return apart


def ordered(blocks: Sequence[Block], keys: Sequence[int]) -> tuple[Block, ...]:
    """Return the blocks in the order of their keys; block b has the key ``keys[b % len(keys)]``."""
    chosen = sorted(range(len(blocks)), key=lambda b: (keys[b % len(keys)] if keys else 0, b))
    return tuple(blocks[b] for b in chosen)


def trust_ratios(w: Array, g: Array, blocks: Sequence[Block], rate: float) -> Array:
    """Return eta_b = eta |w_b| / |g_b| for every weight, the ratio rounded to a dyadic; 1 where a norm is 0 (LARS)."""
    rates = np.full(w.shape, rate, dtype=np.float64)
    for b in map(list, blocks):
        length, slope = float(np.linalg.norm(w[b])), float(np.linalg.norm(g[b]))
        if length and slope:
            rates[b] *= _dyadic(min(length / slope, TRUST_MOST))
    return rates


def rates_by_depth(size: int, blocks: Sequence[Block], rate: float) -> Array:
    """Return eta for the first block's weights, half of it for the second's, and so on (discriminative fine-tuning)."""
    rates = np.full(size, rate, dtype=np.float64)
    for depth, b in enumerate(map(list, blocks)):
        rates[b] = np.ldexp(rate, -depth)
    return rates


def _dyadic(ratio: float) -> float:
    """Return the nearest number with few significant bits."""
    mantissa, exponent = np.frexp(ratio)
    return float(np.ldexp(np.round(np.ldexp(mantissa, TRUST_BITS)), exponent - TRUST_BITS))
