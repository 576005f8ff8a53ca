"""A network and its batch as arrays of fixed shapes, padded with zeros: one compiled function serves every network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gdprops.numerics.activations import ACTIVATIONS
from gdprops.numerics.losses import LOSSES
from gdprops.numerics.network_pass import columns

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.network import Layer, Point

SLOTS, WIDTH, ROWS, DEPTH, TOWERS = 16, 4, 8, 4, 2


class Tower(NamedTuple):
    """The layers of one tower, each field of shape (DEPTH, …); ``there`` says which layers exist, ``out`` which units.

    ``targets`` (ROWS, WIDTH), ``labels`` (ROWS,), ``columns`` (WIDTH,). ``share`` is the factor before the sum over the
    tower's entries (1/2, or 1 / entries for a mean); it is 0 where there is no tower.
    """

    weight: Array
    bias: Array
    activation: Array
    residual: Array
    there: Array
    out: Array
    targets: Array
    labels: Array
    columns: Array
    share: Array


class Encoded(NamedTuple):
    """A network and its batch as arrays of fixed shapes; ``towers`` holds every tower's fields stacked."""

    towers: Tower
    inputs: Array
    rows: Array
    scale: Array
    loss: Array


def room_for(usual: int, needed: int) -> int:
    """Return the usual size, doubled until it suffices."""
    while usual < needed:
        usual *= 2
    return usual


def _width(point: Point) -> int:
    return room_for(WIDTH, max((*point.batch.inputs.shape[1:], *(s for w in point.tensors for s in w.shape), 1)))


def stacked(point: Point, tensors: Sequence[Array]) -> Array:
    """Return the tensors as one array (slots, width, width); vectors are first rows, a number is the first entry."""
    width = _width(point)
    stack = np.zeros((room_for(SLOTS, len(tensors)), width, width), point.batch.inputs.dtype)
    for slot, w in zip(stack, tensors, strict=False):
        slot[inside(w)] = w
    return stack


def inside(w: Array) -> Any:
    """Return where a tensor lies in its slot."""
    return (*(0,) * (2 - w.ndim), *(slice(0, s) for s in w.shape))


def unpadded(slot: Array, w: Array) -> Array:
    """Return what a slot holds in the place of a tensor."""
    return np.array(slot[inside(w)])


def places_of(point: Point) -> Array:
    """Return where each trainable weight of the flat vector lies in the flattened stack."""
    stack = np.arange(stacked(point, point.tensors).size).reshape(stacked(point, point.tensors).shape)
    held = [stack[i][inside(point.tensors[i])].reshape(-1) for i in point.network.moving]
    return np.concatenate(held) if held else np.zeros(0, int)


def encode(point: Point) -> Encoded:
    """Return a point's network and batch as padded arrays; the tensors are stacked separately, by `stacked`."""
    network, inputs, width = point.network, point.batch.inputs, _width(point)
    rows = room_for(ROWS, len(inputs))
    padded = np.zeros((rows, width), inputs.dtype)
    padded[: len(inputs), : inputs.shape[1]] = inputs
    towers = [_tower(point, k, rows, width) for k in range(room_for(TOWERS, len(network.towers)))]
    return Encoded(
        Tower(*(np.stack(parts) for parts in zip(*towers, strict=True))),
        padded,
        _flags(rows, len(inputs), inputs.dtype),
        np.array(-1 if network.scale is None else network.scale),
        np.array(LOSSES.index(network.loss)),
    )


def _tower(point: Point, k: int, rows: int, width: int) -> Tower:
    """Return one tower's fields; an absent tower has no layers and a share of 0."""
    network, dtype = point.network, point.batch.inputs.dtype
    there = k < len(network.towers)
    layers: Sequence[Layer] = network.towers[k] if there else ()
    depth = room_for(DEPTH, max(map(len, network.towers)))
    fill = [0] * (depth - len(layers))
    sizes = [point.tensors[layer.weight].shape[0] for layer in layers]
    targets, labels, outputs = _targets(point, k, rows, width, sizes) if there else _no_targets(rows, width, dtype)
    return Tower(
        np.array([layer.weight for layer in layers] + fill),
        np.array([-1 if layer.bias is None else layer.bias for layer in layers] + fill),
        np.array([list(ACTIVATIONS).index(layer.activation) for layer in layers] + fill),
        np.array([layer.residual for layer in layers] + fill, dtype),
        np.array([True] * len(layers) + [False] * len(fill)),
        np.stack([_flags(width, size, dtype) for size in sizes + fill]),
        targets,
        labels,
        _flags(width, outputs, dtype),
        np.array(_share(point, outputs) if there else 0.0, dtype),
    )


def _targets(point: Point, k: int, rows: int, width: int, sizes: Sequence[int]) -> tuple[Array, Array, int]:
    values, labels, dtype = np.zeros((rows, width)), np.zeros(rows, int), point.batch.inputs.dtype
    y = columns(point.network, point.batch.targets, k)
    if y.ndim == 1:
        labels[: len(y)] = y
        return values.astype(dtype), labels, sizes[-1]
    values[: len(y), : y.shape[1]] = y
    return values.astype(dtype), labels, y.shape[1]


def _no_targets(rows: int, width: int, dtype: Any) -> tuple[Array, Array, int]:
    return np.zeros((rows, width), dtype), np.zeros(rows, int), 0


def _share(point: Point, outputs: int) -> float:
    """Return what the sum over a tower's entries is multiplied by."""
    rows = len(point.batch.inputs)
    return {"half-sse": 0.5, "cross-entropy": 1 / rows}.get(point.network.loss, 1 / (rows * outputs))


def _flags(size: int, count: int, dtype: Any) -> Array:
    """Return ones for the first ``count`` entries, then zeros."""
    return (np.arange(size) < count).astype(dtype)
