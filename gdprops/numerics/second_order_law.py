"""The law of divergence: sweep - step = eta^2 lower(H) g + O(eta^3), with H from dual numbers, not from sweeps.

At a block b, a sweep uses the gradient after the earlier blocks have moved by -eta g_a. To first order this changes g_b
by -eta times the sum of H_ba g_a over the earlier blocks a: this is what lower(H) g collects.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from gdprops.model.evidence import Evidence, require, vacuous
from gdprops.numerics import decisions
from gdprops.numerics.dual_numbers import hessian_vector
from gdprops.numerics.flat import flat, flat_gradient, flat_weights, spread
from gdprops.numerics.network_pass import gradient_at
from gdprops.numerics.updates import Gradient, sweep_displacements

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.case import Block
    from gdprops.model.network import Point


def times_hessian(point: Point, vector: Array) -> Array:
    """Return H v over the flat trainable weights."""
    return flat(hessian_vector(point, spread(point, vector)), point.network.moving)


def lower_hessian_times_gradient(point: Point, blocks: Sequence[Block]) -> Array:
    """Return c, where c_b is the sum of H_ba g_a over the blocks a that are visited before b."""
    g = flat_gradient(point, gradient_at(point))
    visited, c = g * 0, g * 0
    for b in map(list, blocks):
        if visited.any():
            c[b] = times_hessian(point, visited)[b]
        visited[b] = g[b]
    return c


def hessian(point: Point) -> Array:
    """Return H as a matrix, column by column."""
    w = flat_weights(point)
    return np.array([times_hessian(point, _unit(w, k)) for k in range(w.size)]).T


def _unit(w: Array, k: int) -> Array:
    vector: Array = w * 0
    vector[k] = 1
    return vector


def curvature(point: Point) -> float:
    """Return the Frobenius norm of H."""
    return float(np.linalg.norm(hessian(point).astype(float)))


def law_on_a_ladder(look: Gradient, point: Point, blocks: Sequence[Block]) -> Evidence:
    """Decide the law in floating point: the residual of |v - w'| has slope at least 3, the difference itself slope 2.

    The differences are accumulated as -eta [g_b(v) - g_b(w)]. The example is vacuous where c = lower(H) g is a
    cancellation.
    """
    w, c = flat_weights(point), lower_hessian_times_gradient(point, blocks)
    size, g = curvature(point), float(np.linalg.norm(flat_gradient(point, gradient_at(point))))
    if float(np.linalg.norm(c)) <= decisions.LAW_RESOLUTION * size * g or not size:
        return vacuous("lower(H) g is zero, or a cancellation")
    rates = [rung / size for rung in decisions.LADDER]
    apart = [sweep_displacements(look, w, blocks, rate) for rate in rates]
    main = _slopes(rates, [float(np.linalg.norm(a)) for a in apart])
    rest = [float(np.linalg.norm(a - rate**2 * c)) for a, rate in zip(apart, rates, strict=True)]
    noise = [decisions.LADDER_NOISE * rate * (size * float(np.linalg.norm(w)) + g) for rate in rates]
    clear = rest[-2] <= decisions.SLOPE_SHARE * rates[-2] ** 2 * float(np.linalg.norm(c))
    return _judge(main[-1] if clear else None, _slopes(rates, rest), rest, noise)


def _slopes(rates: Sequence[float], sizes: Sequence[float]) -> list[float]:
    """Return the log-log slopes between neighboring rates; a size of zero has none."""
    pairs = zip(zip(rates, sizes, strict=True), zip(rates[1:], sizes[1:], strict=True), strict=False)
    return [np.log(a / b) / np.log(r / s) if a and b else np.nan for (r, a), (s, b) in pairs]


def _judge(slope: float | None, residual: Sequence[float], rest: Sequence[float], noise: Sequence[float]) -> Evidence:
    """Judge the residual's slope, and the slope of the difference itself unless its cubic term hides it (None)."""
    low, high = decisions.SLOPE
    above = [k for k in range(len(residual)) if rest[k + 1] > noise[k + 1]]
    steep = max((residual[k] for k in above), default=decisions.RESIDUAL_SLOPE)
    holds = (slope is None or low <= slope <= high) and steep >= decisions.RESIDUAL_SLOPE
    shown = "" if slope is None else f"slope {slope:.3f} of |sweep - step| and "
    return require(holds, f"{shown}slope {steep:.3f} of the residual; expected 2 and at least 3")
