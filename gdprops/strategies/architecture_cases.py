"""Small networks that are not stacks of linear layers: convolutions, embeddings, norms, dropout, attention."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from gdprops.model.architecture import Architecture, ArchitectureCase
from gdprops.model.architecture_designs import architecture
from gdprops.model.case import Plan
from gdprops.model.network import Batch
from gdprops.strategies.values import Deck, as_precision, decimals

if TYPE_CHECKING:
    from gdprops.model.arrays import Array

LOSSES = ("mse", "cross-entropy")


def drawn_architecture(deck: Deck, kinds: Sequence[str]) -> Architecture:
    """Return an architecture of one of the kinds. Shrinks towards the first kind, one channel and one output."""
    kind, loss = kinds[deck.choose(len(kinds))], LOSSES[deck.choose(2)]
    return architecture(kind, (deck.choose(3), deck.choose(3), deck.choose(3)), 1 + deck.choose(2), loss)


def architecture_case(
    network: Architecture, weights: Deck, data: Deck, *, rows: int, steps: int, precision: int, same_batch: bool = False
) -> ArchitectureCase:
    """Return a case whose weights are short decimals and whose batches are small numbers, filled from decks."""
    tensors = tuple(as_precision(weights.numbers(decimals(1.0), shape), precision) for shape in network.shapes)
    batches = [_batch(network, data, rows, precision) for _ in range(1 if same_batch else steps)]
    everything = tuple(batches * steps if same_batch else batches)
    return ArchitectureCase(network, tensors, everything, Plan((), seed=data.choose(251)), precision)


def _batch(network: Architecture, data: Deck, rows: int, precision: int) -> Batch:
    shape = (rows, *network.form)
    if network.tokens:
        inputs = _integers(data, shape, network.tokens)
    else:
        inputs = as_precision(data.numbers(decimals(2.0), shape), precision)
    outputs = network.blocks[-1].sizes[1]
    if network.loss == "cross-entropy":
        return Batch(inputs, _integers(data, (rows,), outputs))
    return Batch(inputs, as_precision(data.numbers(decimals(2.0), (rows, outputs)), precision))


def _integers(deck: Deck, shape: tuple[int, ...], below: int) -> Array:
    cards = np.frombuffer(deck.take(int(np.prod(shape))), dtype=np.uint8)
    return np.asarray(cards % below, dtype=np.int64).reshape(shape)
