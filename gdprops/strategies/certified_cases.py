"""Draws exact cases by making them simpler, not by rejecting them.

A case is exact where a certificate proves that none of its operations rounds. A drawn case that cannot be certified is
filled with simpler numbers, and then built more simply, until it can: so Hypothesis never has to discard a case.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from gdprops.errors import Uncertified
from gdprops.model.network import Batch, Network, Point
from gdprops.numerics.network_pass import gradient_at
from gdprops.strategies.networks import Filling, Style, blueprint, fill_batch, fill_tensors
from gdprops.strategies.values import decks

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn

    from gdprops.model.arrays import Array

Certify = Callable[[Point, int], object]

FILLINGS = (Filling(2, 2.0), Filling(1, 2.0), Filling(0, 2.0), Filling(0, 1.0))
"""The numbers that a point is filled with, from rich to simple: one bit less each, then half the magnitude."""


class Drawn:
    """The random bytes of one point: its structure can be built and filled from them as often as needed."""

    def __init__(self, draw: DrawFn, style: Style) -> None:
        self.style = style
        self.structure, self.weights, self.data = (draw(decks()) for _ in range(3))

    def point(self, style: Style, filling: Filling, precision: int, *, squares: bool = True) -> Point:
        """Return the point that the bytes make in this style, filled with these numbers."""
        plan = blueprint(self.structure.again(), style)
        if not squares:
            plan.without_squares()
        tensors = fill_tensors(plan, self.weights.again(), filling, style, precision)
        return liven(Point(plan.network(), tensors, fill_batch(plan, self.data.again(), filling, precision)))

    def batches(self, point: Point, count: int, filling: Filling, precision: int) -> list[Batch]:
        """Return the point's batch and further batches of the same form, each changed by `liven`."""
        plan, deck = blueprint(self.structure.again(), self.style), self.data.again()
        drawn = [fill_batch(plan, deck, filling, precision) for _ in range(count)]
        return [point.batch, *(liven(point.on(batch)).batch for batch in drawn[1:])]


def simpler(style: Style) -> Iterator[tuple[Style, bool, Filling]]:
    """Yield ever simpler ways to make a point: fewer bits, then no squares, then one layer less.

    A way that has failed with few bits is not tried again with more bits.
    """
    fillings: tuple[Filling, ...] = FILLINGS
    for depth in range(style.most_depth, style.least_depth - 1, -1):
        for squares in (True, False) if "square" in style.activations else (False,):
            for filling in fillings:
                yield replace(style, most_depth=depth), squares, filling
            fillings = FILLINGS[-2:]
    yield _bare(style), False, Filling(0, 1.0)


def _bare(style: Style) -> Style:
    """Return the style of the simplest point: all its numbers are 0 or ±1, and every sweep over it certifies.

    It has two inputs, two layers of one neuron and no biases; all its cases were tried. With biases, a sweep of five
    gradient evaluations does not certify.
    """
    return replace(
        style,
        activations=("identity",),
        most_depth=style.least_depth,
        rows=1,
        width=1,
        extras=False,
        kink_free=False,
        dimensions=frozenset({2}),
    )


def certified(drawn: Drawn, precision: int, certify: Certify, start: int = 0, *, widest: int = 53) -> tuple[Point, int]:
    """Return the first point, from rich to simple, that certifies, and the precision at which it does.

    A point that cannot be made exact at ``precision`` bits is made exact at ``widest`` bits. Raises `Uncertified` where
    that fails too.
    """
    reason = Uncertified("nothing was tried")
    for bits in dict.fromkeys((precision, widest)):
        for style, squares, filling in list(simpler(drawn.style))[start:]:
            point = drawn.point(style, filling, bits, squares=squares)
            try:
                certify(point, bits)
            except Uncertified as error:
                reason = error
            else:
                return point, bits
    raise reason


def liven(point: Point) -> Point:
    """Return the point, changed where that gives gradients that are not zero.

    Where an output equals its target, the targets change; a dead rectifier gets a leak. So most examples are decisive.
    """
    if is_lively(point):
        return point
    moved = _other_targets(point)
    if is_lively(moved):
        return moved
    leaky = _leaky(moved)
    return leaky if is_lively(leaky) else moved


def is_lively(point: Point) -> bool:
    """Say whether every trainable tensor that the loss depends on has a gradient that is not zero."""
    with np.errstate(all="ignore"):
        found = gradient_at(point)
    return all(g is None or np.any(g) for g in found)


def _other_targets(point: Point) -> Point:
    batch = point.batch
    if point.network.loss == "cross-entropy":
        return point.on(Batch(batch.inputs, 1 - np.minimum(batch.targets, 1)))
    if point.network.loss == "bce":
        return point.on(Batch(batch.inputs, 1 - batch.targets))
    return point.on(Batch(batch.inputs, _shifted(batch.targets)))


def _shifted(targets: Array) -> Array:
    shift = np.asarray(1 + np.arange(targets.size).reshape(targets.shape), dtype=targets.dtype)
    return np.asarray(targets + shift, dtype=targets.dtype)


def _leaky(point: Point) -> Point:
    old = point.network
    towers = tuple(
        tuple(replace(layer, activation="leaky-relu") if layer.activation == "relu" else layer for layer in tower)
        for tower in old.towers
    )
    network = Network(towers, old.names, old.trainable, old.loss, old.scale)
    return Point(network, point.tensors, point.batch)
