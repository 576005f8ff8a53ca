"""One gradient computed in many ways: whole, in blocks, forwards, per sample, regrouped, in NumPy and in torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch

from gdprops.model.arrays import Array
from gdprops.model.network import Batch, Point
from gdprops.numerics.flat import flat_gradient, flat_weights, spread
from gdprops.numerics.numpy_system import NumpySystem
from gdprops.numerics.torch_system import TorchSystem

SYSTEMS = (NumpySystem(), TorchSystem())
DIRECTIONS = 4


class Computed(NamedTuple):
    """Some entries of the flat gradient, and how they were computed: ``way`` by which system."""

    system: str
    way: str
    positions: Array
    values: Array


def computations(point: Point, rng: np.random.Generator) -> Iterator[Computed]:
    """Yield the gradient computed in every way by every system, at once first."""
    for system in SYSTEMS:
        every = np.arange(flat_weights(point).size)
        whole = {
            "at once": system.gradient(point),
            "one by one, from fresh passes": _one_by_one(system, point, rng, retained=False),
            "one by one, from one graph": _one_by_one(system, point, rng, retained=True),
            "sample by sample, reversed": system.additive(point, samples(point)[::-1]),
        }
        for way, gradient in whole.items():
            yield Computed(system.name, way, every, flat_gradient(point, gradient))
        yield Computed(system.name, "regrouped", every, system.regrouped(point, partition(every, rng)))
        chosen = rng.choice(every, min(DIRECTIONS, every.size), replace=False)
        slopes = [system.directional(point, direction(point, k)) for k in chosen]
        yield Computed(system.name, "forwards", chosen, np.array(slopes))


def _one_by_one(
    system: NumpySystem | TorchSystem, point: Point, rng: np.random.Generator, *, retained: bool
) -> list[Array | None]:
    return system.block_by_block(point, rng.permutation(point.network.moving).tolist(), retained=retained)


def samples(point: Point) -> list[Batch]:
    """Return every row as a batch of its own."""
    return [point.batch.rows(slice(i, i + 1)) for i in range(len(point.batch.inputs))]


def partition(every: Array, rng: np.random.Generator) -> list[tuple[int, ...]]:
    """Return up to three random blocks of positions, none empty."""
    labels = rng.integers(0, 3, every.size)
    blocks = [tuple(every[labels == k].tolist()) for k in range(3)]
    return [block for block in blocks if block]


def direction(point: Point, k: int) -> list[Array]:
    """Return the basis vector of one trainable weight, tensor by tensor."""
    unit = flat_weights(point) * 0
    unit[k] = 1
    return spread(point, unit)


def stepped(point: Point, gradient: Sequence[Array], rate: float) -> Iterator[tuple[str, list[Array]]]:
    """Yield the trainable tensors after one step of plain descent, taken in several ways."""
    held = [point.tensors[i] for i in point.network.moving]
    eta = held[0].dtype.type(rate)
    yield "NumPy", [w - eta * g for w, g in zip(held, gradient, strict=True)]
    for flags in ({"foreach": False}, {"foreach": True}, {"fused": True}):
        parameters = [torch.nn.Parameter(torch.from_numpy(w.copy())) for w in held]
        for p, g in zip(parameters, gradient, strict=True):
            p.grad = torch.from_numpy(np.ascontiguousarray(g).reshape(p.shape))
        torch.optim.SGD(parameters, lr=rate, **flags).step()
        yield f"torch SGD {flags}", [p.detach().numpy() for p in parameters]
