"""Partitions of the trainable weights into blocks: one weight each, one tensor, one layer, or at random."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gdprops.numerics.flat import members

if TYPE_CHECKING:
    from gdprops.model.case import Block
    from gdprops.model.network import Network, Point

KINDS = ("tensor", "layer", "weight", "random")


def partition(point: Point, kind: str, labels: bytes = b"") -> tuple[Block, ...]:
    """Return the blocks of one kind, none of them empty. ``labels`` decide random blocks (shrinks to one block)."""
    positions = members(point.network, [w.shape for w in point.tensors])
    every = [k for block in positions.values() for k in block]
    if kind == "weight":
        return tuple((k,) for k in every)
    if kind == "tensor":
        return tuple(block for block in positions.values() if block)
    if kind == "layer":
        return by_layer(point.network, positions)
    groups = [tuple(k for k in every if labels and labels[k % len(labels)] % 3 == g) for g in range(3)]
    return tuple(group for group in groups if group) or (tuple(every),)


def by_layer(network: Network, positions: dict[int, Block]) -> tuple[Block, ...]:
    """Return one block per layer (weight and bias); a tied tensor belongs to the first layer that uses it."""
    taken: set[int] = set()
    found = []
    for layer in network.layers:
        mine = [i for i in (layer.weight, layer.bias) if i is not None and i in positions and i not in taken]
        taken.update(mine)
        found.append(tuple(k for i in mine for k in positions[i]))
    rest = tuple(k for i, block in positions.items() if i not in taken for k in block)
    return tuple(block for block in [*found, rest] if block)


def all_partitions(point: Point, labels: bytes, kinds: Sequence[str] = KINDS) -> dict[str, tuple[Block, ...]]:
    """Return the partitions of several kinds by name."""
    return {kind: partition(point, kind, labels) for kind in kinds}
