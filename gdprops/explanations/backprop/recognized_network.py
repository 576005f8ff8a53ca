"""Recognize the network that a hand-written loss computes: its dense layers, its activation and its loss function.

The user's code is not read. Every candidate network computes its loss at the weights of all failing examples and at
neighboring weights; the one whose losses equal the user's is the network. Its backward pass can then be computed with
deliberate flaws (see `flaws.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, NamedTuple, final

import numpy as np

from gdprops.numerics import decisions
from gdprops.subjects.backprop.shapes import distinct_shapes, is_bias

if TYPE_CHECKING:
    from gdprops.clauses.support.watched_step import Watched
    from gdprops.model.arrays import Array
    from gdprops.model.backprop_layout import Layout

LEAK = 0.01


class Activation(NamedTuple):
    """An activation: f(z), its derivative f'(z), and f' written as a formula in h = f(z), as in h * (1 - h)."""

    name: str
    value: Callable[[Array], Array]
    slope: Callable[[Array], Array]
    of_value: Callable[[Array], Array]


def _sigmoid(z: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-z)))


ACTIVATIONS = (
    Activation("identity", lambda z: z, np.ones_like, np.ones_like),
    Activation("tanh", np.tanh, lambda z: 1 - np.tanh(z) ** 2, lambda h: 1 - h**2),
    Activation("sigmoid", _sigmoid, lambda z: _sigmoid(z) * (1 - _sigmoid(z)), lambda h: h * (1 - h)),
    Activation("relu", lambda z: np.maximum(z, 0), lambda z: (z > 0) * 1.0, lambda h: (h > 0) * 1.0),
    Activation(
        "leaky relu",
        lambda z: np.where(z > 0, z, LEAK * z),
        lambda z: np.where(z > 0, 1.0, LEAK),
        lambda h: np.where(h > 0, 1.0, LEAK),
    ),
)


class Ending(NamedTuple):
    """The output activation and loss after the last layer.

    Attributes:
        name: Its name in words.
        loss: J as a function of the last pre-activations z and the targets.
        delta: dJ/dz.
        without_slope: dJ/dz without the derivative of the output's activation; None if there is none.
        slope: The derivative of the output's activation; None if there is none.
    """

    name: str
    loss: Callable[[Array, Array], float]
    delta: Callable[[Array, Array], Array]
    without_slope: Callable[[Array, Array], Array] | None
    slope: Callable[[Array], Array] | None
    is_softmax: bool = False


def _squares(act: Activation) -> Ending:
    return Ending(
        f"the sum of squares of {act.name}",
        lambda z, y: float(((act.value(z) - y) ** 2).sum()),
        lambda z, y: 2 * (act.value(z) - y) * act.slope(z),
        None if act.name == "identity" else lambda z, y: 2 * (act.value(z) - y),
        None if act.name == "identity" else act.slope,
    )


def softmax(z: Array) -> Array:
    """Return the softmax of every row."""
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return np.asarray(e / e.sum(axis=1, keepdims=True))


def _through_softmax(z: Array, error: Array) -> Array:
    """Return the error before softmax."""
    a = softmax(z)
    return np.asarray(a * (error - (error * a).sum(axis=1, keepdims=True)))


def _binary(z: Array, y: Array) -> float:
    return float(-(y * np.log(_sigmoid(z)) + (1 - y) * np.log(1 - _sigmoid(z))).sum())


ENDINGS = (
    *(_squares(act) for act in ACTIVATIONS),
    Ending(
        "the cross-entropy of softmax",
        lambda z, y: float(-(y * np.log(softmax(z))).sum()),
        lambda z, y: softmax(z) * y.sum(axis=1, keepdims=True) - y,
        None,
        lambda z: softmax(z) * (1 - softmax(z)),
        is_softmax=True,
    ),
    Ending(
        "the sum of squares of softmax",
        lambda z, y: float(((softmax(z) - y) ** 2).sum()),
        lambda z, y: _through_softmax(z, 2 * (softmax(z) - y)),
        lambda z, y: 2 * (softmax(z) - y),
        lambda z: softmax(z) * (1 - softmax(z)),
        is_softmax=True,
    ),
    Ending(
        "the binary cross-entropy of sigmoid",
        _binary,
        lambda z, y: _sigmoid(z) - y,
        lambda z, y: (_sigmoid(z) - y) / (_sigmoid(z) * (1 - _sigmoid(z))),
        lambda z: _sigmoid(z) * (1 - _sigmoid(z)),
    ),
    Ending("the sum of distances", lambda z, y: float(np.abs(z - y).sum()), lambda z, y: np.sign(z - y), None, None),
)
SCALES: tuple[Callable[[Array], float], ...] = (
    lambda y: 1.0,
    lambda y: 0.5,
    lambda y: 1 / len(y),
    lambda y: 0.5 / len(y),
    lambda y: 1 / y.size,
    lambda y: 0.5 / y.size,
    lambda y: 1 / y.shape[1],
    lambda y: 0.5 / y.shape[1],
)


class Layer(NamedTuple):
    """The indices of a layer's matrix and bias (None without a bias) among the parameters.

    ``out_first``: the matrix has the shape (out, in); ``bias_column``: the matrix contains the bias.
    """

    weight: int
    bias: int | None
    out_first: bool
    bias_column: bool


@final
@dataclass(frozen=True, slots=True)
class Net:
    """A recognized network: its layers, the hidden activation, the output and loss, and the factor of the loss."""

    layers: tuple[Layer, ...]
    hidden: Activation
    ending: Ending
    scale: Callable[[Array], float]

    def weight(self, weights: Sequence[Array], k: int) -> Array:
        """Return layer k's matrix in the shape (in, out), without biases."""
        return _matrix(self.layers[k], weights)[0]


def _matrix(layer: Layer, weights: Sequence[Array]) -> tuple[Array, Array | float]:
    """Return a layer's matrix in the shape (in, out) and its bias as a row (0.0 without a bias)."""
    w = np.asarray(weights[layer.weight], dtype=np.float64)
    w = w[:, None] if w.ndim == 1 else w.T if layer.out_first else w
    if layer.bias_column:
        return w[:-1], w[-1]
    return w, 0.0 if layer.bias is None else np.asarray(weights[layer.bias]).reshape(1, -1)


def forward(net: Net, weights: Sequence[Array], x: Array) -> tuple[list[Array], list[Array]]:
    """Return the inputs of every layer and their pre-activations."""
    inputs: list[Array] = [x]
    zs: list[Array] = []
    for k, layer in enumerate(net.layers):
        w, b = _matrix(layer, weights)
        zs.append(inputs[-1] @ w + b)
        if k < len(net.layers) - 1:
            inputs.append(net.hidden.value(zs[-1]))
    return inputs, zs


def targets_of(step: Watched, width: int) -> Array:
    """Return the targets as rows: labels as one-hot rows, a vector as a column."""
    y: Array = step.run.case.batches[step.batch].targets  # type: ignore[attr-defined] # of hand-written runs
    if y.dtype.kind == "i":
        return np.asarray(np.eye(width)[y])
    return y[:, None] if y.ndim == 1 else y


def inputs_of(step: Watched) -> Array:
    """Return the inputs of a step's batch, with a sample in every row."""
    return np.asarray(step.run.case.batches[step.batch].inputs)  # type: ignore[attr-defined] # of hand-written runs


def recognized(steps: Sequence[Watched], layout: Layout) -> Net | None:
    """Return the network whose loss equals the user's at the weights of every step and at neighboring weights.

    None if no candidate network does.
    """
    points = [(step, weights) for step in steps for weights in (step.before, _beside(step.before))]
    with np.errstate(all="ignore"):
        stated = [step.run.loss(weights, step.batch) for step, weights in points]
        nets = _candidates(steps[0], layout)
        return next((net for net in nets if _is_it(net, points, stated)), None)


def _beside(weights: Sequence[Array]) -> list[Array]:
    return [w + 0.1 * np.sin(1 + np.arange(w.size)).reshape(w.shape) for w in weights]


def _is_it(net: Net, points: Sequence[tuple[Watched, Sequence[Array]]], stated: Sequence[float]) -> bool:
    for (step, weights), said in zip(points, stated, strict=True):
        try:
            z = forward(net, weights, inputs_of(step))[1][-1]
            y = targets_of(step, z.shape[1])
            if y.shape != z.shape:
                return False
            found = net.scale(y) * net.ending.loss(z, y)
        except (ValueError, IndexError):
            return False
        if not abs(found - said) <= decisions.RECOGNIZED_SHARE * max(abs(said), decisions.RECOGNIZED_SHARE):
            return False
    return True


def _candidates(step: Watched, layout: Layout) -> Iterator[Net]:
    for layers in _structures(step, layout):
        hidden = ACTIVATIONS if len(layers) > 1 else ACTIVATIONS[:1]
        for act, ending, scale in product(hidden, ENDINGS, SCALES):
            yield Net(layers, act, ending, scale)


def _structures(step: Watched, layout: Layout) -> Iterator[tuple[Layer, ...]]:
    """Yield the chains of layers that the parameters' shapes allow.

    Chains differ in whether matrices are (in, out) or (out, in), and in whether a matrix contains the bias.
    """
    named = distinct_shapes(layout)
    kinds = [is_bias(name, shape) for name, shape in zip(step.names, named, strict=True)]
    weights = [i for i, bias in enumerate(kinds) if not bias]
    biases = [i for i, bias in enumerate(kinds) if bias]
    if not weights or len(biases) not in (0, len(weights)):
        return
    paired: Sequence[int | None] = biases or [None] * len(weights)
    for out_first in (False, True):
        for column in (False, True) if not biases else (False,):
            yield tuple(Layer(w, b, out_first, column) for w, b in zip(weights, paired, strict=True))
