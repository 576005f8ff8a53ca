"""Small networks over NumPy arrays and their losses, as courses and tutorials write them."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

Array = Any
Params = dict[str, Any]


def sigmoid(z: Array) -> Array:
    """Return 1 / (1 + e^-z)."""
    return 1 / (1 + np.exp(-z))


def softmax(z: Array) -> Array:
    """Return e^z of every row over its sum."""
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def two_layers(n_in: int, n_hidden: int, n_out: int) -> dict[str, tuple[int, ...]]:
    """Return the shapes of two layers, (in, out)."""
    return {"W1": (n_in, n_hidden), "b1": (n_hidden,), "W2": (n_hidden, n_out), "b2": (n_out,)}


def squares(params: Params, X: Array, y: Array) -> float:
    """Return half the sum of squares of a network with tanh."""
    out = np.tanh(X @ params["W1"] + params["b1"]) @ params["W2"] + params["b2"]
    return float(0.5 * np.sum((out - y) ** 2))


def gradients(params: Params, X: Array, y: Array) -> Params:
    """Return the gradients of `squares`."""
    h = np.tanh(X @ params["W1"] + params["b1"])
    d = h @ params["W2"] + params["b2"] - y
    dh = d @ params["W2"].T * (1 - h**2)
    return {"W1": X.T @ dh, "b1": dh.sum(axis=0), "W2": h.T @ d, "b2": d.sum(axis=0)}


def softmax_loss(params: Params, X: Array, y: Array) -> Any:
    """Return the mean cross-entropy of a network with sigmoid and softmax, no biases; y holds one-hot rows."""
    return -np.mean(np.sum(y * np.log(softmax(sigmoid(X @ params["W1"]) @ params["W2"])), axis=1))


def columns(params: Params, X: Array, y: Array) -> Any:
    """Return half the sum of squares of a network with two sigmoids; X and y hold samples in their columns."""
    h = sigmoid(params["w_ih"] @ X + params["b_ih"])
    return 0.5 * np.sum((sigmoid(params["w_ho"] @ h + params["b_ho"]) - y) ** 2)


def outer_loss(params: Params, X: Array, y: Array) -> Any:
    """Return half the sum of squares of a network with two sigmoids and no biases."""
    return 0.5 * np.sum((sigmoid(sigmoid(X @ params["inner"]) @ params["outer"]) - y) ** 2)


def stacked(layers: list[Array], X: Array) -> list[Array]:
    """Return the inputs of every layer and the output: tanh between the layers."""
    outputs = [X]
    for i, weights in enumerate(layers):
        outputs.append(outputs[-1] @ weights)
        if i < len(layers) - 1:
            outputs[-1] = np.tanh(outputs[-1])
    return outputs


def stack_loss(layers: list[Array], X: Array, y: Array) -> Any:
    """Return the mean square of a stack of layers."""
    return np.mean((stacked(layers, X)[-1] - y) ** 2)


def neurons(n_in: int, n_hidden: int, n_out: int) -> list[tuple[int, ...]]:
    """Return the shapes of two layers whose rows are neurons, the last weight of each its bias."""
    return [(o, i + 1) for i, o in pairwise((n_in, n_hidden, n_out))]


def neuron_outputs(network: list[Array], x: Array) -> list[list[float]]:
    """Return the outputs of every layer of neurons for one sample."""
    found, values = list[list[float]](), list(x)
    for layer in network:
        values = [sigmoid(sum(w * v for w, v in zip(neuron, [*values, 1], strict=True))) for neuron in layer]
        found.append(values)
    return found


def neuron_loss(network: list[Array], X: Array, y: Array) -> float:
    """Return half the sum of squares of the outputs for one sample."""
    return float(0.5 * np.sum((np.array(neuron_outputs(network, X)[-1]) - y) ** 2))
