"""The trainable weights of a network as one flat vector, and blocks of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.case import Block
    from gdprops.model.network import Network, Point


def zeros_like(w: Array) -> Array:
    """Return zeros of the shape and the kind of number of ``w``, which may be a single fraction."""
    zeros = np.empty_like(w)
    zeros[...] = w * 0
    return zeros


def flat(arrays: Sequence[Any], chosen: Sequence[int]) -> Array:
    """Return the chosen arrays one after the other as one vector."""
    parts = [np.asarray(arrays[i]).reshape(-1) for i in chosen]
    return np.concatenate(parts) if parts else np.zeros(0)


def flat_weights(point: Point) -> Array:
    """Return the trainable weights as one vector."""
    return flat(point.tensors, point.network.moving)


def flat_gradient(point: Point, gradient: Sequence[Any]) -> Array:
    """Return a gradient as one vector; a tensor without one has zeros."""
    whole = [zeros_like(w) if g is None else g for w, g in zip(point.tensors, gradient, strict=True)]
    return flat(whole, point.network.moving)


def unflat(point: Point, vector: Array) -> Point:
    """Return the point whose trainable weights are those of the vector."""
    tensors, start = list(point.tensors), 0
    for i in point.network.moving:
        size = tensors[i].size
        tensors[i] = vector[start : start + size].reshape(tensors[i].shape)
        start += size
    return point.at(tensors)


def spread(point: Point, vector: Array) -> list[Array]:
    """Return a vector over the trainable weights tensor by tensor; frozen tensors have zeros."""
    zeros = point.at([zeros_like(w) for w in point.tensors])
    return list(unflat(zeros, vector).tensors)


def name_of(network: Network, shapes: Sequence[tuple[int, ...]], position: int) -> tuple[str, tuple[int, ...]]:
    """Return the name and index of the weight at a position of the flat vector."""
    for i in network.moving:
        size = math.prod(shapes[i])
        if position < size:
            index = np.unravel_index(position, shapes[i]) if shapes[i] else ()
            return network.names[i], tuple(int(k) for k in index)
        position -= size
    raise IndexError(position)


def members(network: Network, shapes: Sequence[tuple[int, ...]]) -> dict[int, Block]:
    """Return, for each trainable tensor, the positions of its weights in the flat vector."""
    found, start = {}, 0
    for i in network.moving:
        size = math.prod(shapes[i])
        found[i] = tuple(range(start, start + size))
        start += size
    return found
