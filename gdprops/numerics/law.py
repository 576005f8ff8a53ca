"""The law of divergence: sweep - step = eta^2 lower(H) g + O(eta^3), with H from dual numbers, not from sweeps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from gdprops.numerics.dual import hessian_vector
from gdprops.numerics.flat import flat, flat_gradient, spread
from gdprops.numerics.network_pass import gradient_at

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.case import Block
    from gdprops.model.network import Point


def times_hessian(point: Point, vector: Array) -> Array:
    """Return H v over the flat trainable weights."""
    return flat(hessian_vector(point, spread(point, vector)), point.network.moving)


def lower_hessian_times_gradient(point: Point, blocks: Sequence[Block]) -> Array:
    """Return c with c_b = sum of H_ba g_a over the blocks a visited before b."""
    g = flat_gradient(point, gradient_at(point))
    visited, c = g * 0, g * 0
    for b in map(list, blocks):
        if visited.any():
            c[b] = times_hessian(point, visited)[b]
        visited[b] = g[b]
    return c


def hessian(point: Point) -> Array:
    """Return H as a matrix, column by column."""
    n = flat(point.tensors, point.network.moving).size
    columns = [times_hessian(point, flat(point.tensors, point.network.moving) * 0 + unit) for unit in _basis(n)]
    return np.array(columns).T


def _basis(n: int) -> list[Array]:
    return [np.array([int(i == k) for i in range(n)]) for k in range(n)]
