"""Cases of the step chapter: a network, the batches of a short training loop, and how the optimizer is set up."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import strategies as st

from gdprops.model.architecture import ArchitectureCase
from gdprops.model.case import TrainCase, evened
from gdprops.model.network import Batch
from gdprops.numerics.decisions import MODERATE_LOSS
from gdprops.numerics.losses import LOSSES, MEANS, SQUARES
from gdprops.numerics.network_pass import loss
from gdprops.strategies import networks
from gdprops.strategies.architecture_cases import architecture_case, drawn_architecture
from gdprops.strategies.certified_cases import Drawn
from gdprops.strategies.dealing import dealt
from gdprops.strategies.loop import Loop
from gdprops.strategies.networks import FILLING, Filling, Style
from gdprops.strategies.optimizer_setups import long_run, plan, repeated
from gdprops.strategies.own_model_loops import own_loops
from gdprops.strategies.values import Deck, decks

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn

    from gdprops.model.arrays import Array
    from gdprops.model.domain import Domain


ARCHITECTURES_ONE_IN = 5
"""One example in this many trains another architecture than a stack of linear layers."""
ANY_LOOP = Loop()
MANY_ROWS = 5
"""How many more rows some batches have: a step may go wrong with large batches only."""


def loops(domain: Domain, loop: Loop = ANY_LOOP) -> st.SearchStrategy[Any]:
    """Return a strategy for networks with 2 to 4 batches, or for the user's own models where the user declares them.

    Shrinks towards two layers of one weight 1, x = 1, y = 0, eta = ½.
    """
    if domain.own is not None:
        return own_loops(domain, domain.own, loop)

    return dealt(4, _loop, domain, loop)


def _loop(draw: DrawFn, domain: Domain, loop: Loop) -> TrainCase | ArchitectureCase:
    deck = draw(decks())
    if domain.kinds and loop.plain and deck.last().happens(ARCHITECTURES_ONE_IN):
        return _other_network(deck, draw(decks()), draw(decks()), domain, loop)
    exact, single, more = deck.choose(2) == 0, deck.happens(3), deck.choose(_more(loop))
    precision = domain.precisions[0 if loop.double else single * (len(domain.precisions) - 1)]
    style = _style(loop, domain, exact=exact)
    drawn, filling = Drawn(draw, style), FILLING if exact else Filling(decimal=True)
    point = drawn.point(style, filling, precision)
    steps = loop.least_steps + more
    batches = [point.batch] * steps if loop.same_batch else drawn.batches(point, steps, filling, precision)
    long = long_run(deck, loop.longest)
    batches = list(repeated(batches, max(long, steps)))
    frozen = frozenset(i for i, trains in enumerate(point.network.trainable) if not trains)
    setup = plan(
        deck,
        domain,
        len(point.tensors),
        groups=loop.groups,
        options=loop.options,
        own_rate=loop.own_rate,
        frozen=frozen,
        slow=long > 0,
    )
    chunks = windows(deck, domain, len(point.batch.inputs), len(batches)) if domain.window > 1 else ()
    case = TrainCase(point.network, point.tensors, tuple(batches), setup, precision, chunks)
    parted: TrainCase = evened(case) if domain.equal else case
    return moderate(parted) if loop.moderate else parted


def moderate(case: TrainCase) -> TrainCase:
    """Return the case with weights and targets _halved until the loss of every batch is moderate at its start."""
    with np.errstate(all="ignore"):
        while not all(loss(case.network, case.tensors, batch) <= MODERATE_LOSS for batch in case.batches):
            case = replace(case, tensors=tuple(map(_halved, case.tensors)))
            if case.network.loss in SQUARES:
                case = replace(case, batches=tuple(Batch(b.inputs, _halved(b.targets)) for b in case.batches))
    return case


def _halved(values: Array) -> Array:
    return np.asarray(values / values.dtype.type(2))


def other_networks(domain: Domain, loop: Loop) -> st.SearchStrategy[ArchitectureCase]:
    """Return a strategy for networks of other kinds than stacks of linear layers, with short loops."""

    @st.composite
    def build(draw: DrawFn) -> ArchitectureCase:
        return _other_network(draw(decks()), draw(decks()), draw(decks()), domain, loop)

    return build()


def _other_network(deck: Deck, weights: Deck, data: Deck, domain: Domain, loop: Loop) -> ArchitectureCase:
    """Return a case with another architecture: a batch norm's means need two rows, and some batches have many."""
    network = drawn_architecture(deck, domain.kinds)
    steps, rows = loop.steps(deck), _least_rows(loop, domain, 2) + deck.choose(3)
    rows += MANY_ROWS * deck.happens(4)
    precision, same = domain.precisions[0], loop.same_batch
    case = architecture_case(network, weights, data, rows=rows, steps=steps, precision=precision, same_batch=same)
    parted = replace(case, chunks=windows(deck, domain, rows, steps) if domain.window > 1 else ())
    return evened(parted) if domain.equal else parted


def _least_rows(loop: Loop, domain: Domain, otherwise: int) -> int:
    if domain.equal:
        return max(loop.least_rows, 2 * domain.window)
    return max(loop.least_rows, domain.window + 1 if domain.window > 1 else otherwise)


def windows(deck: Deck, domain: Domain, rows: int, steps: int) -> tuple[tuple[int, ...], ...]:
    """Return the sizes of every step's micro-batches, ragged; the last window may be short where steps are told of it.

    Shrinks towards sizes of 1, with the other rows in the first micro-batch.
    """
    counts = [domain.window] * (steps - 1) + [domain.window - (domain.tells_last and deck.choose(2))]
    return tuple(_ragged(deck, rows, count) for count in counts)


def _ragged(deck: Deck, rows: int, parts: int) -> tuple[int, ...]:
    sizes = [1] * parts
    first = deck.choose(parts)
    for _ in range(rows - parts):
        sizes[(first + deck.happens(3)) % parts] += 1
    return tuple(sizes)


def _more(loop: Loop) -> int:
    return loop.most_steps - loop.least_steps + 1


def _style(loop: Loop, domain: Domain, *, exact: bool) -> Style:
    style = Style(
        least_depth=loop.least_depth,
        most_depth=3,
        least_rows=_least_rows(loop, domain, 1),
        dimensions=domain.dimensions,
        freeze=domain.frozen and domain.missing and loop.frozen,
        unused=domain.missing,
        tie=loop.tie,
        extras=loop.extras,
    )
    losses = [loss for loss in (MEANS if domain.means else LOSSES) if loss in SQUARES or not loop.regression]
    if exact:
        return replace(style, losses=losses[:1])
    return replace(style, activations=networks.ROUNDED, losses=losses)
