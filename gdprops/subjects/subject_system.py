"""A fed subject as a system: its framework computes the gradients, and the subject's own step moves the weights.

Where the subject names no framework, gdprops computes the gradients itself with NumPy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gdprops.model.case import Plan
from gdprops.numerics.flat import flat_weights, members, unflat
from gdprops.numerics.numpy_system import Looking
from gdprops.subjects.frameworks.registry import gradients_by

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.case import Block
    from gdprops.model.network import Point
    from gdprops.model.subject import FedSubject


class SubjectSystem(Looking):
    """A system whose step is the subject's step on all tensors, and whose sweep steps on one block after the other."""

    def __init__(self, subject: FedSubject) -> None:
        super().__init__()
        self._subject, self._framework = subject, gradients_by(subject.framework)
        self.name = subject.name

    def loss(self, point: Point) -> float:
        """Return the loss J at the point, computed by the framework."""
        return self._framework.loss(point)

    def gradient(self, point: Point) -> list[Array | None]:
        """Return the gradients of all tensors at once, computed by the framework."""
        return self._framework.gradient(point)

    def block_by_block(self, point: Point, order: Sequence[int], *, retained: bool) -> list[Array | None]:
        """Return the framework's gradients, computed one tensor after the other."""
        return self._framework.block_by_block(point, order, retained=retained)

    def directional(self, point: Point, direction: Sequence[Array]) -> float:
        """Return the derivative of J along a direction, in the framework's forward mode."""
        return self._framework.directional(point, direction)

    def regrouped(self, point: Point, partition: Sequence[Block]) -> Array:
        """Return the framework's flat gradient, computed with respect to the blocks of another partition."""
        return self._framework.regrouped(point, partition)

    def step(self, point: Point, rate: Any) -> Array:
        """Return the flat weights after one step of the subject; each tensor has its own rate."""
        moving = point.network.moving
        tensors = [point.tensors[i] for i in moving]
        rates = [float(np.broadcast_to(rate, flat_weights(point).shape)[block[0]]) for block in _tensors(point)]
        gradient = unflat(point, self.look(point)(flat_weights(point)))
        return self._moved(tensors, [gradient.tensors[i] for i in moving], rates)

    def sweep(self, point: Point, blocks: Sequence[Block], rate: Any) -> Array:
        """Return the flat weights after the subject has moved one block after the other."""
        v = flat_weights(point)
        for block in blocks:
            g = self.look(point)(v)
            pieces = _pieces(point, block)
            moved = self._moved([v[k].reshape(s) for k, s in pieces], [g[k].reshape(s) for k, s in pieces], [rate])
            v = v.copy()
            v[[k for piece, _ in pieces for k in piece]] = moved
        return v

    def _moved(self, tensors: list[Array], gradients: list[Array], rates: list[float]) -> Array:
        everything = tuple(range(len(tensors)))
        same = len(set(rates)) == 1
        groups = (everything,) if same else tuple((i,) for i in everything)
        plan = Plan(groups, (rates[0],) if same else tuple(rates))
        run = self._subject.start(tensors, plan)
        run.step(gradients)
        return np.concatenate([w.reshape(-1) for w in run.weights()])


def _tensors(point: Point) -> list[Block]:
    return [block for block in members(point.network, [w.shape for w in point.tensors]).values() if block]


def _pieces(point: Point, block: Block) -> list[tuple[list[int], tuple[int, ...]]]:
    """Return a block's positions tensor by tensor: whole tensors in their shape, parts of tensors as vectors."""
    inside, found = set(block), []
    shapes = [w.shape for w in point.tensors]
    for i, positions in members(point.network, shapes).items():
        mine = [k for k in positions if k in inside]
        if mine:
            found.append((mine, shapes[i] if len(mine) == len(positions) else (len(mine),)))
    return found
