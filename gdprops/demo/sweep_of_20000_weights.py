"""The demo's network with 20,000 weights, and a sweep that moves them one by one, with 20,000 gradient evaluations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gdprops.demo.question_network import INPUTS, batch
from gdprops.model.arrays import Array

WIDE = 2857
"""The number of hidden units: 7 · 2857 + 1 = 20,000 weights."""


def wide_weights(hidden: int = WIDE) -> list[Array]:
    """Return the weights before the sweep: (5, hidden), (hidden,), (hidden, 1) and (1,)."""
    generator = np.random.default_rng(13)
    shapes = [(INPUTS, hidden), (hidden,), (hidden, 1), (1,)]
    scale = [(2 / INPUTS) ** 0.5, 0.1, (2 / hidden) ** 0.5, 0.1]
    return [s * generator.standard_normal(shape) for s, shape in zip(scale, shapes, strict=True)]


def weight_by_weight(weights: Sequence[Array], rate: float) -> tuple[list[Array], int]:
    """Return the weights after a sweep over single weights, and the number of partial derivatives that it took.

    Each partial derivative is taken after all weights before it have moved. The activations are kept: after a weight
    has moved, only the row of numbers of its unit and the outputs are computed again.
    """
    inputs, labels = batch()
    w1, b1, w2, b2 = (w.copy() for w in weights)
    rows = np.vstack([inputs.T, np.ones(len(inputs))])  # a bias is the weight of an input of ones
    z = np.vstack([w1, b1]).T @ rows
    hidden = np.maximum(z, 0)
    out, y = w2[:, 0] @ hidden + b2, labels[:, 0]
    _first_layer([*w1, b1], w2[:, 0], rows, z, hidden, out, y, rate)
    last = np.append(w2, b2)
    for k, unit in enumerate([*hidden, rows[-1]]):
        moved = -rate / len(y) * (_off(out, y) @ unit)
        last[k] += moved
        out += moved * unit
    return [w1, b1, last[:-1, None], last[-1:]], w1.size + b1.size + last.size


def _first_layer(
    weights: Sequence[Array], above: Array, rows: Array, z: Array, hidden: Array, out: Array, y: Array, rate: float
) -> None:
    """Move the first layer's weights in place, input by input; ``z``, ``hidden`` and ``out`` are kept up to date."""
    for of_input, x in zip(weights, rows, strict=True):
        for j, up in enumerate(above.tolist()):
            moved = -rate / len(y) * up * ((_off(out, y) * (z[j] > 0)) @ x)
            of_input[j] += moved
            z[j] += moved * x
            reached = np.maximum(z[j], 0)
            out += (reached - hidden[j]) * up
            hidden[j] = reached


def _off(out: Array, y: Array) -> Array:
    """Return dJ/d(output) before it is divided by the number of rows: the probability minus the label."""
    return np.asarray(1 / (1 + np.exp(-out)) - y)
