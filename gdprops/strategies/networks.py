"""Draws networks in two parts, the structure and the numbers, so that a case can be filled with simpler numbers.

A `Blueprint` is the structure with all shapes; a `Filling` says which numbers go into it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, final

import numpy as np

from gdprops.model.network import Batch, Layer, Network
from gdprops.numerics.activations import ACTIVATIONS
from gdprops.strategies.values import Deck, as_precision, centered_dyadics, decimals, dyadics

if TYPE_CHECKING:
    from gdprops.model.arrays import Array

EXACT = ("identity", "relu", "square", "leaky-relu")
SMOOTH = ("tanh", "identity", "sigmoid")
ROUNDED = ("tanh", "relu", "sigmoid", "leaky-relu", "identity")


@final
@dataclass(frozen=True, slots=True)
class Style:
    """What a blueprint may contain. The smallest depth and the extras are what a clause needs.

    ``extras``: ties, residuals, a scale, unused and frozen tensors. ``kink_free``: no activation sits on its kink.
    ``towers``: two towers. ``freeze``: whether one tensor is frozen, None: now and then. ``tie``: the second layer
    always shares the first one's weight. ``unused``: a tensor that the loss does not reach may occur. ``multiple``:
    every width is a multiple of it. ``chain``: no layer shares a parameter, is left out or comes to be residual.
    """

    activations: Sequence[str] = EXACT
    losses: Sequence[str] = ("half-sse",)
    least_depth: int = 1
    most_depth: int = 3
    width: int = 3
    rows: int = 3
    least_rows: int = 1
    least_inputs: int = 1
    extras: bool = True
    kink_free: bool = False
    towers: bool = False
    dimensions: frozenset[int] | None = None
    freeze: bool | None = None
    tie: bool = False
    unused: bool = True
    multiple: int = 1
    chain: bool = False

    def accepts(self, dimensions: int) -> bool:
        """Say whether tensors with this number of dimensions may occur."""
        return self.dimensions is None or dimensions in self.dimensions


@final
@dataclass(slots=True)
class Blueprint:
    """A network's structure and shapes, without any weights."""

    towers: list[list[Layer]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    shapes: list[tuple[int, ...]] = field(default_factory=list)
    frozen: list[int] = field(default_factory=list)
    loss: str = "half-sse"
    scale: int | None = None
    inputs: int = 1
    outputs: int = 1
    rows: int = 1

    def add(self, name: str, shape: tuple[int, ...]) -> int:
        """Add a tensor and return its index."""
        self.names.append(name)
        self.shapes.append(shape)
        return len(self.shapes) - 1

    def network(self) -> Network:
        """Return the structure as plain data."""
        towers = tuple(tuple(tower) for tower in self.towers)
        trainable = tuple(i not in self.frozen for i in range(len(self.shapes)))
        return Network(towers, tuple(self.names), trainable, self.loss, self.scale)

    def without_squares(self) -> None:
        """Replace every square by the identity: squares double the bits that a certificate needs."""
        self.towers = [[_identity(layer) for layer in tower] for tower in self.towers]


def _identity(layer: Layer) -> Layer:
    if layer.activation != "square":
        return layer
    return Layer(layer.weight, layer.bias, "identity", layer.residual)


def blueprint(deck: Deck, style: Style) -> Blueprint:
    """Return a structure decided by a deck. Shrinks towards few layers of width 1 without bias and extras."""
    plan = Blueprint(loss=style.losses[deck.choose(len(style.losses))])
    plan.rows = style.least_rows + deck.choose(style.rows)
    plan.inputs = style.multiple * (style.least_inputs + deck.choose(style.width))
    towers, even, extras = 2 if style.towers else 1, deck.happens(3), Deck(deck.take(4))
    for tower in range(towers):
        prefix = "AB"[tower] if towers > 1 else ""
        _build_tower(plan, deck, style, prefix, even=(even or style.tie) and style.extras and not style.chain)
    if plan.loss == "cross-entropy":
        plan.outputs = max(plan.outputs, 2)
        _widen_last(plan)
    if style.extras:
        _add_extras(plan, extras, style)
    return plan


def _build_tower(plan: Blueprint, deck: Deck, style: Style, prefix: str, *, even: bool) -> None:
    """Add one tower. ``even``: all its layers are as wide as its input, so that they can be tied or residual."""
    depth = style.least_depth + deck.choose(style.most_depth - style.least_depth + 1)
    width, tower = plan.inputs, list[Layer]()
    for k in range(1, depth + 1):
        drawn = style.multiple * (1 + deck.choose(style.width))
        out = width if even else drawn
        activation = style.activations[deck.choose(len(style.activations))]
        name = activation if k < depth else "identity"
        layer = _build_layer(plan, deck, style, f"{prefix}{k}", (out, width), name, tower, ties=3 if even else 6)
        tower.append(layer)
        width = plan.shapes[layer.weight][0]
    plan.towers.append(tower)
    plan.outputs = width if not prefix else _even_columns(plan, width, prefix)


def _even_columns(plan: Blueprint, width: int, prefix: str) -> int:
    """Return the columns of all towers together; the second tower's last layer gets as many columns as the first's."""
    if prefix == "A":
        return width
    last, columns = plan.towers[1][-1], plan.shapes[plan.towers[0][-1].weight][0]
    plan.shapes[last.weight] = (columns, plan.shapes[last.weight][1])
    if last.bias is not None:
        plan.shapes[last.bias] = (columns,)
    plan.towers[1][-1] = Layer(last.weight, last.bias, last.activation)
    return 2 * columns


def _build_layer(
    plan: Blueprint,
    deck: Deck,
    style: Style,
    number: str,
    shape: tuple[int, int],
    activation: str,
    above: Sequence[Layer],
    *,
    ties: int,
) -> Layer:
    tied, biased, residual = deck.happens(ties), deck.happens(2) and style.accepts(1), deck.happens(5)
    mixes = style.extras and not style.chain
    square = bool(above) and plan.shapes[above[-1].weight] == (shape[1], shape[1])
    if mixes and square and (tied or (style.tie and len(above) == 1)):
        weight, shape = above[-1].weight, (shape[1], shape[1])
    else:
        weight = plan.add(f"W{number}", shape)
    needs_bias = style.kink_free and ACTIVATIONS[activation].kinked
    bias = plan.add(f"b{number}", (shape[0],)) if biased or needs_bias else None
    return Layer(weight, bias, activation, residual and mixes and shape[0] == shape[1])


def _widen_last(plan: Blueprint) -> None:
    """Give the last layer two rows, since cross-entropy needs two classes; a shared weight is replaced by a new one."""
    last = plan.towers[-1][-1]
    rows, columns = plan.shapes[last.weight]
    shared = sum(layer.weight == last.weight for layer in plan.towers[-1]) > 1
    if rows >= 2:
        return
    weight = plan.add("Wout", (2, columns)) if shared else last.weight
    plan.shapes[weight] = (2, columns)
    if last.bias is not None:
        plan.shapes[last.bias] = (2,)
    plan.towers[-1][-1] = Layer(weight, last.bias, last.activation)


def _add_extras(plan: Blueprint, deck: Deck, style: Style) -> None:
    scaled, unused, frozen, which = deck.happens(6), deck.happens(6), deck.happens(4), deck.choose(251)
    if scaled and style.accepts(0) and not style.chain:
        plan.scale = plan.add("scale", ())
    if unused and style.unused and not style.chain:
        plan.add("unused", (2,) if style.accepts(1) else (1, 2))
    if (frozen if style.freeze is None else style.freeze) and len(plan.network().used) > 1:  # one must stay trainable
        plan.frozen.append(which % len(plan.shapes))


@final
@dataclass(frozen=True, slots=True)
class Filling:
    """Which numbers fill a blueprint: dyadic numbers with so many fractional bits up to a magnitude, or decimals."""

    bits: int = 2
    magnitude: float = 2.0
    decimal: bool = False

    @property
    def weights(self) -> Array:
        """The table of numbers for weights and inputs."""
        return decimals(self.magnitude) if self.decimal else dyadics(self.bits, self.magnitude)

    @property
    def targets(self) -> Array:
        """The table of numbers for targets."""
        return centered_dyadics(self.bits, self.magnitude)


FILLING = Filling()


def fill_tensors(plan: Blueprint, deck: Deck, filling: Filling, style: Style, precision: int) -> tuple[Array, ...]:
    """Return the blueprint's tensors filled from a deck; kink-free where the style says so."""
    tensors = [deck.numbers(filling.weights, shape) for shape in plan.shapes]
    if style.kink_free and not filling.decimal:
        _move_off_kinks(plan, tensors, filling.bits)
    return tuple(as_precision(w, precision) for w in tensors)


def _move_off_kinks(plan: Blueprint, tensors: list[Array], bits: int) -> None:
    """Make the biases of kinked layers odd multiples of half the granularity of their products: no sum can be zero."""
    for tower in plan.towers:
        e_h = -bits
        for layer in tower:
            e_w = -bits
            e_z = e_h + e_w
            if layer.bias is not None and ACTIVATIONS[layer.activation].kinked:
                tensors[layer.bias] = tensors[layer.bias] + 2.0 ** (e_z - 1)
                e_z -= 1
            elif layer.bias is not None:
                e_z = min(e_z, -bits)
            e_h = min(
                {"square": 2 * e_z, "leaky-relu": e_z - 2}.get(layer.activation, e_z), e_h if layer.residual else 0
            )


def fill_batch(plan: Blueprint, deck: Deck, filling: Filling, precision: int) -> Batch:
    """Return a batch for the blueprint, filled from a deck."""
    inputs = as_precision(deck.numbers(filling.weights, (plan.rows, plan.inputs)), precision)
    targets = deck.numbers(filling.targets, (plan.rows, plan.outputs))
    if plan.loss == "cross-entropy":
        labels = np.abs(targets[:, 0] * 4).astype(np.int64) % plan.outputs
        return Batch(inputs, labels)
    if plan.loss == "bce":
        return Batch(inputs, as_precision((targets > 0).astype(float), precision))
    return Batch(inputs, as_precision(targets, precision))
