"""Cases of the chapters about gradients and sweeps: a point to evaluate gradients at, blocks, and orders of blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from gdprops.model.case import Block, LookCase, Regime
from gdprops.model.network import Batch, Layer, Network, Point
from gdprops.numerics.certificate import certify_look, certify_sweep
from gdprops.numerics.losses import LOSSES
from gdprops.numerics.network_pass import outputs
from gdprops.numerics.updates import ordered
from gdprops.strategies import networks
from gdprops.strategies.certified_cases import Certify, Drawn, certified
from gdprops.strategies.dealing import dealt
from gdprops.strategies.networks import Filling, Style
from gdprops.strategies.partitions import all_partitions, partition
from gdprops.strategies.values import Deck, as_precision, centered_dyadics, decks, dyadics

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

    from gdprops.model.domain import Domain

RATES = (0.5, 0.25, 0.125, 1.0, 0.0625, 0.375)
"""Dyadic learning rates, the most readable first."""

LOOKING = Style(activations=networks.EXACT)
DEEP = replace(LOOKING, least_depth=2)
RAGGED = replace(LOOKING, least_rows=3)
KINK_FREE = replace(LOOKING, kink_free=True)
SWEEPING = Style(networks.EXACT, least_depth=2, most_depth=3, width=2, rows=2, kink_free=True)


def _precision(head: Deck, domain: Domain) -> int:
    """Return float64 mostly, and float32 in one of three cases. Shrinks towards float64."""
    first, *others = domain.precisions
    return others[0] if head.happens(3) and others else first


def _rounded(style: Style) -> Style:
    return replace(style, activations=networks.ROUNDED, losses=LOSSES)


def looks(
    domain: Domain,
    *,
    style: Style = LOOKING,
    regimes: Sequence[Regime] = (Regime.EXACT, Regime.ROUNDED),
) -> SearchStrategy[LookCase]:
    """Return a strategy for points at which gradients are evaluated; half of the points are exact.

    Shrinks towards one layer of one weight 1 on the input 1 and the target 0: J = ½ (wx - y)².
    """
    return dealt(4, _look, domain, style, regimes)


def _look(draw: DrawFn, domain: Domain, style: Style, regimes: Sequence[Regime]) -> LookCase:
    head = draw(decks())
    regime, precision = regimes[head.choose(len(regimes))], _precision(head, domain)
    if regime is Regime.EXACT:
        drawn = Drawn(draw, style)
        point, precision = certified(drawn, precision, certify_look)
    else:
        rounded = _rounded(style)
        point = Drawn(draw, rounded).point(rounded, Filling(decimal=True), precision)
    return _look_case(head, point, regime, precision)


def _look_case(head: Deck, point: Point, regime: Regime, precision: int) -> LookCase:
    labels, order = head.take(8), tuple(head.take(6))
    rows = len(point.batch.inputs)
    return LookCase(point, regime, precision, 0.25, all_partitions(point, labels), order, _chunks(rows, labels), order)


def _chunks(rows: int, labels: bytes) -> tuple[int, ...]:
    """Cut the rows into ragged micro-batches: the first has one row, the rest is one or two micro-batches."""
    if rows < 4 or labels[0] % 2 == 0:
        return (1, rows - 1) if rows > 1 else (1,)
    return (1, 1, rows - 2)


def sweeps(
    domain: Domain, *, style: Style = SWEEPING, kinds: Sequence[str] = ("layer", "tensor", "random", "weight")
) -> SearchStrategy[LookCase]:
    """Return a strategy for exact sweeps: every gradient evaluation is certified, in both directions of the order.

    Shrinks towards two layers of one weight 1, x = 1, y = 0, eta = ½, swept front to back.
    """
    return dealt(4, _sweep, domain, style, kinds)


def _sweep(draw: DrawFn, domain: Domain, style: Style, kinds: Sequence[str]) -> LookCase:
    head = draw(decks())
    kind, rate, precision = kinds[head.choose(len(kinds))], head.choose(len(RATES)), _precision(head, domain)
    labels, order = head.take(8), tuple(head.take(6))

    def certify(point: Point, bits: int) -> None:
        blocks = partition(point, kind, labels)
        for visited in (ordered(blocks, order), ordered(blocks, order)[::-1]):
            certify_sweep(point, visited, _rate(point, rate), bits)

    narrow = replace(style, width=1, rows=1) if kind == "weight" else style
    drawn = Drawn(draw, narrow)
    start = 1 if precision == 53 else 2
    point, precision = certified(drawn, precision, certify, start, widest=max(domain.precisions))
    blocks = {kind: partition(point, kind, labels)}
    return LookCase(point, Regime.EXACT, precision, _rate(point, rate), blocks, order)


def _rate(point: Point, drawn: int) -> float:
    """Return the drawn rate, or ½ for a network of scalars: a rate of 2^-k costs k bits at every gradient."""
    bare = all(w.size == 1 for w in point.tensors)
    return RATES[0] if bare else RATES[drawn]


def granular_sweeps(domain: Domain) -> SearchStrategy[LookCase]:
    """Return a strategy for one small exact network swept over weights, tensors and layers.

    Shrinks towards two layers, the first of two weights, with one bias.
    """
    return dealt(4, _granular_sweep, domain)


def _granular_sweep(draw: DrawFn, domain: Domain) -> LookCase:
    head = draw(decks())
    rate, order = (0.5, 1.0)[head.choose(2)], tuple(head.take(6))
    style = replace(SWEEPING, most_depth=2, extras=False, rows=1, width=1, least_inputs=2)
    drawn = Drawn(draw, style)

    def certify(point: Point, bits: int) -> None:
        for kind in ("weight", "tensor", "layer"):
            certify_sweep(point, ordered(partition(point, kind), order), rate, bits)

    point, precision = _at_its_widest(drawn, domain, certify, start=2)
    blocks = all_partitions(point, b"", ("weight", "tensor", "layer"))
    return LookCase(point, Regime.EXACT, precision, rate, blocks, order)


def _at_its_widest(drawn: Drawn, domain: Domain, certify: Certify, start: int) -> tuple[Point, int]:
    """Return a certified point in the widest precision that a subject takes."""
    widest = max(domain.precisions)
    return certified(drawn, widest, certify, start, widest=widest)


def decoupled(domain: Domain) -> SearchStrategy[LookCase]:
    """Return a strategy for blocks that cannot influence each other.

    ``claim`` says why: two towers, a single block, or a stationary point. Shrinks towards two towers of one weight
    each.
    """
    return dealt(4, _decoupled, domain)


def _decoupled(draw: DrawFn, domain: Domain) -> LookCase:
    head = draw(decks())
    claim = ("towers", "towers", "single block", "towers", "stationary")[head.choose(5)]
    rate, order = RATES[head.choose(len(RATES))], tuple(head.take(6))
    depth = 2 if claim == "stationary" else 1
    style = replace(SWEEPING, least_depth=depth, most_depth=2, towers=claim == "towers", extras=False)
    drawn = Drawn(draw, style)

    def blocks_of(point: Point) -> tuple[Block, ...]:
        if claim == "towers":
            return _by_tower(point)
        layers = partition(point, "layer")
        return layers if claim == "stationary" else (tuple(k for b in layers for k in b),)

    point, precision = _at_its_widest(
        drawn, domain, lambda p, bits: certify_sweep(p, blocks_of(p), rate, bits), start=1
    )
    point = _fitted(point) if claim == "stationary" else point
    return LookCase(point, Regime.EXACT, precision, rate, {claim: blocks_of(point)}, order, claim=claim)


def _by_tower(point: Point) -> tuple[Block, ...]:
    """Return two blocks: the weights of the first tower, and those of the second."""
    first = {i for layer in point.network.towers[0] for i in (layer.weight, layer.bias)}
    flags = [i in first for i in point.network.moving for _ in range(point.tensors[i].size)]
    split = tuple(tuple(k for k, f in enumerate(flags) if f is side) for side in (True, False))
    return tuple(block for block in split if block)


def _fitted(point: Point) -> Point:
    """Return the point with its own outputs as targets: the gradient there is exactly zero."""
    targets = np.concatenate(outputs(point.network, point.tensors, point.batch.inputs), axis=1)
    return point.on(Batch(point.batch.inputs, targets))


def linear_regressions(domain: Domain) -> SearchStrategy[LookCase]:
    """Return a strategy for quadratic losses: one linear output, half-SSE, inputs of ±1, one weight per block.

    H = XᵀX has the number of rows, 2 or 4, all along its diagonal, and eta is its inverse. Shrinks towards two weights
    1, inputs of ones, targets 0.
    """
    return dealt(2, _linear_regression, domain)


def _linear_regression(draw: DrawFn, domain: Domain) -> LookCase:
    head, deck = draw(decks()), draw(decks())
    rows, width, order = (2, 4)[head.choose(2)], 2 + head.choose(2), tuple(head.take(6))
    X = deck.numbers(np.array([1.0, -1.0]), (rows, width))
    if X[:, 0] @ X[:, 1] == 0:  # H must not be diagonal
        X[0, 1] = -X[0, 1]
    y, w = deck.numbers(centered_dyadics(1), (rows, 1)), deck.numbers(dyadics(1), (1, width))
    network = Network(((Layer(0, None, "identity"),),), ("W1",), (True,), "half-sse")
    bits = max(domain.precisions)
    point = Point(network, (as_precision(w, bits),), Batch(as_precision(X, bits), as_precision(y, bits)))
    return LookCase(point, Regime.EXACT, bits, 1.0 / rows, {"weight": partition(point, "weight")}, order)


def smooth_sweeps(domain: Domain) -> SearchStrategy[LookCase]:
    """Return a strategy for sweeps over smooth networks in float64, decided by a ladder of rates.

    Shrinks towards two layers of one weight 1, x = 1, y = 0.
    """
    return dealt(4, _smooth_sweep, domain)


def _smooth_sweep(draw: DrawFn, domain: Domain) -> LookCase:
    head = draw(decks())
    kind, order = ("layer", "tensor")[head.choose(2)], tuple(head.take(6))
    style = Style(networks.SMOOTH, ("half-sse", "mse"), least_depth=2, most_depth=3, rows=2)
    point = Drawn(draw, style).point(style, Filling(decimal=True), 53)
    return LookCase(point, Regime.ROUNDED, 53, 0.25, {kind: partition(point, kind)}, order)
