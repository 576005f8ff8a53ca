"""Made smaller, not rejected: a case that cannot be certified is refilled more simply until it can."""

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
"""One bit less each, then half the magnitude."""


class Drawn:
    """The cards of one point: its structure can be rebuilt and refilled from them at will."""

    def __init__(self, draw: DrawFn, style: Style) -> None:
        self.style = style
        self.structure, self.weights, self.data = (draw(decks()) for _ in range(3))

    def point(self, style: Style, filling: Filling, precision: int, *, squares: bool = True) -> Point:
        """Return the point that the cards make in this style, with these numbers."""
        plan = blueprint(self.structure.again(), style)
        if not squares:
            plan.without_squares()
        tensors = fill_tensors(plan, self.weights.again(), filling, style, precision)
        return liven(Point(plan.network(), tensors, fill_batch(plan, self.data.again(), filling, precision)))

    def batches(self, point: Point, count: int, filling: Filling, precision: int) -> list[Batch]:
        """Return the point's batch and further ones of the same form, lively each."""
        plan, deck = blueprint(self.structure.again(), self.style), self.data.again()
        drawn = [fill_batch(plan, deck, filling, precision) for _ in range(count)]
        return [point.batch, *(liven(point.on(batch)).batch for batch in drawn[1:])]


def simpler(style: Style) -> Iterator[tuple[Style, bool, Filling]]:
    """Yield ever simpler ways to make a point: fewer bits, then no squares, then one layer less.

    What has failed with few bits is not tried again with more.
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

    Two inputs, two layers of one neuron and no biases, tried exhaustively: with biases a sweep of five looks does not.
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

    What cannot be made exact at 24 bits is made exact at the ``widest``. Raises `Uncertified` if nothing can.
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
    """Return the point, or one beside it whose gradients are not all zero.

    A residual of zero gets other targets; a dead rectifier gets a leak. Most examples are decisive that way.
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
