"""Cases for hand-written backprop: sizes, parameters of the user's own shapes, batches and a learning rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import strategies as st

from gdprops.model.backprop_layout import CLASSES, FLAT
from gdprops.model.case import BackpropCase
from gdprops.model.network import Batch
from gdprops.strategies.values import Deck, choices, decimals, decks

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn

    from gdprops.model.arrays import Array
    from gdprops.model.backprop_layout import Layout

RATES = (0.5, 0.25, 0.125, 1.0)
"""Dyadic learning rates, none below 1/8."""
LARGEST = 3
"""The largest value of n_in, n_hidden and n_out; where targets are classes, there are at least two of them."""
ROWS = (1, 2, 3, 2, 3, 1, 5, 8)
"""The numbers of rows: mostly few, for pencil and paper; now and then more rows than of anything else."""
MAGNITUDE = 1.5
"""The largest magnitude: beyond it a sigmoid of three inputs saturates and all gradients vanish."""


def backprop_cases(
    layout: Layout | None, *, least_steps: int = 2, most_steps: int = 4, same_batch: bool = False
) -> st.SearchStrategy[BackpropCase]:
    """Return a strategy for cases of hand-written backprop.

    All numbers are short decimals; no weight and no input is zero. Shrinks towards sizes of 1, one row, weights and
    inputs of 1, targets of 0, eta = ½.
    """
    assert layout is not None, "only hand-written backprop has a layout"

    @st.composite
    def build(draw: DrawFn) -> BackpropCase:
        steps = least_steps + draw(choices(most_steps - least_steps + 1))
        sizes, weights, data = draw(decks()), draw(decks()), draw(decks())
        n_in, n_hidden, n_out = (1 + sizes.choose(LARGEST) for _ in range(3))
        n_in, n_out = layout.inputs or n_in, layout.outputs or _outputs(n_out, layout.targets)
        rows = 1 if layout.has_one_sample else ROWS[sizes.choose(len(ROWS))]
        shapes = layout.shapes(n_in, n_hidden, n_out)
        tensors = tuple(weights.numbers(_nonzero(), shape) for shape in shapes.values())
        batches = [_batch(data, (rows, n_in, n_out), layout) for _ in range(1 if same_batch else steps)]
        rate = layout.rate or RATES[sizes.choose(len(RATES))]
        return BackpropCase(tuple(shapes), tensors, tuple(batches * steps if same_batch else batches), rate)

    return build()


def _batch(deck: Deck, form: tuple[int, int, int], layout: Layout) -> Batch:
    rows, n_in, n_out = form
    counted = layout.has_all_classes and layout.targets == "labels" and not layout.has_one_sample
    rows = max(rows, n_out) if counted else rows
    inputs, targets = deck.numbers(_nonzero(), (rows, n_in)), _targets(deck, rows, n_out, layout.targets)
    if counted:
        targets[-n_out:] = np.arange(n_out)
    return Batch(inputs, targets)


def _outputs(drawn: int, targets: str) -> int:
    """Return how many outputs there are: one for a vector of targets, at least two for classes."""
    if targets in CLASSES:
        return drawn + 1
    return 1 if targets in FLAT else drawn


def _targets(deck: Deck, rows: int, n_out: int, targets: str) -> Array:
    if targets in CLASSES:
        labels = np.array([deck.choose(n_out) for _ in range(rows)])
        return labels if targets == "labels" else np.eye(n_out)[labels]
    values = np.array([0.0, 1.0]) if targets.startswith("binary") else _zero_first()
    return deck.numbers(values, (rows,) if targets in FLAT else (rows, n_out))


def _nonzero() -> Array:
    """Return decimals up to 1.5 in magnitude, without zero: zeros put rectifiers on their kinks."""
    table = decimals(MAGNITUDE)
    return np.asarray(table[table != 0])


def _zero_first() -> Array:
    return np.concatenate([[0.0], _nonzero()])
