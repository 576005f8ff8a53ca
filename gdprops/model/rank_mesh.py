"""How ranks stand on a mesh: ranks that share the work on one part of a batch have the same rows.

A mesh is its dimensions by name with their sizes, the outermost first, as ``init_device_mesh`` numbers ranks. Ranks at
different places of the dimension ``data`` have different rows; all others along it have the same ones.
"""

from __future__ import annotations

from math import prod

DATA, TENSOR, PIPELINE = "data", "tensor", "pipeline"
NAMES = (DATA, TENSOR, PIPELINE)
"""What ranks may share out among themselves: the rows, the numbers of a layer, or the layers."""
REST = -1
"""The size of a dimension that takes all ranks which the others leave."""
Mesh = tuple[tuple[str, int], ...]
PLAIN: Mesh = ((DATA, REST),)
"""The mesh of a step whose ranks share out the rows alone."""


def fitted(mesh: Mesh, world: int) -> Mesh | None:
    """Return a mesh for so many ranks, none of its sizes `REST`; None where they do not fill it.

    One rank is a mesh of one place, whatever its dimensions.
    """
    if world == 1:
        return tuple((name, 1) for name, _ in mesh)
    known = prod(size for _, size in mesh if size != REST)
    if world % known:
        return None
    sizes = tuple((name, world // known if size == REST else size) for name, size in mesh)
    return sizes if prod(size for _, size in sizes) == world else None


def size_of(mesh: Mesh, name: str) -> int:
    """Return the size of a dimension, 1 where there is none of this name."""
    return dict(mesh).get(name, 1)


def world_of(mesh: Mesh) -> int:
    """Return how many ranks a mesh has."""
    return prod(size for _, size in mesh)


def place_of(mesh: Mesh, rank: int, name: str) -> int:
    """Return where a rank stands along a dimension."""
    inner = 1
    for own, size in reversed(mesh):
        if own == name:
            return rank // inner % size
        inner *= size
    return 0
