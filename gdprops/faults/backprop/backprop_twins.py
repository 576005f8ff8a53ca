"""Correct hand-written backprop with the plumbing of the faults: in place or returned, rows or columns, loops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gdprops.faults.backprop.numpy_networks import (
    Array,
    Params,
    columns,
    gradients,
    neuron_loss,
    neuron_outputs,
    neurons,
    sigmoid,
    softmax,
    softmax_loss,
    squares,
    stack_loss,
    stacked,
)
from gdprops.faults.fault import Twin
from gdprops.subjects.backprop.subject import backprop


def in_place(params: Params, X: Array, y: Array, lr: float) -> None:
    """Take all gradients, then subtract them from the arrays themselves."""
    for name, g in gradients(params, X, y).items():
        params[name] -= lr * g


def back_to_front(params: Params, X: Array, y: Array, lr: float) -> Params:
    """Move the last layer first, but only after the error has gone back through it."""
    h = np.tanh(X @ params["W1"] + params["b1"])
    d = h @ params["W2"] + params["b2"] - y
    dh = d @ params["W2"].T * (1 - h * h)
    params["W2"] -= lr * h.T @ d
    params["b2"] -= lr * d.sum(axis=0)
    params["W1"] -= lr * X.T @ dh
    params["b1"] -= lr * dh.sum(axis=0)
    return params


def hidden_neurons_first(network: list[Array], X: Array, y: Array, lr: float) -> None:
    """Take the hidden deltas, then adjust the output neurons."""
    hidden, outputs = neuron_outputs(network, X)
    deltas = [o * (1 - o) * (o - aim) for o, aim in zip(outputs, y, strict=True)]
    back = [sum(d * neuron[i] for d, neuron in zip(deltas, network[-1], strict=True)) for i in range(len(hidden))]
    for i, neuron in enumerate(network[-1]):
        for j, value in enumerate([*hidden, 1]):
            neuron[j] -= lr * deltas[i] * value
    for i, neuron in enumerate(network[0]):
        for j, value in enumerate([*X, 1]):
            neuron[j] -= lr * hidden[i] * (1 - hidden[i]) * back[i] * value


def passes_through_then_moves(layers: list[Array], X: Array, y: Array, lr: float) -> list[Array]:
    """Loop from the last layer to the first: pass the gradient through it, then move it."""
    outputs = stacked(layers, X)
    grad = 2 * (outputs[-1] - y) / y.size
    for i in reversed(range(len(layers))):
        if i < len(layers) - 1:
            grad = grad * (1 - outputs[i + 1] ** 2)
        found, grad = outputs[i].T @ grad, grad @ layers[i].T
        layers[i] -= lr * found
    return layers


def softmax_error_first(params: Params, X: Array, y: Array, lr: float) -> None:
    """Take both layers' errors, then move both."""
    h = sigmoid(X @ params["W1"])
    error = (softmax(h @ params["W2"]) - y) / len(X)
    back = error @ params["W2"].T * h * (1 - h)
    params["W2"] = params["W2"] - lr * h.T @ error
    params["W1"] = params["W1"] - lr * X.T @ back


def corrects_columns(params: Params, X: Array, y: Array, *, eta: float) -> tuple[Params, float]:
    """Correct the weights for samples in columns, and return the loss as well."""
    h = sigmoid(params["w_ih"] @ X + params["b_ih"])
    o = sigmoid(params["w_ho"] @ h + params["b_ho"])
    delta_o = (o - y) * o * (1 - o)
    delta_h = params["w_ho"].T @ delta_o * h * (1 - h)
    found = {"w_ho": delta_o @ h.T, "b_ho": delta_o, "w_ih": delta_h @ X.T, "b_ih": delta_h}
    moved = {name: params[name] - eta * (g if name[0] == "w" else g.sum(1, keepdims=True)) for name, g in found.items()}
    return moved, columns(moved, X, y)


def _twin(loss: Callable[..., Any], step: Callable[..., Any], **how: Any) -> Twin:
    name = f"backprop-{step.__name__.replace('_', '-')}"
    return Twin(name, subject=lambda: backprop(loss, step, name=name, **how))


TWINS = (
    Twin("backprop-in-place", subject=lambda: backprop(squares, in_place, gradients, name="backprop-in-place")),
    _twin(squares, back_to_front),
    _twin(neuron_loss, hidden_neurons_first, shapes=neurons, samples="single"),
    _twin(stack_loss, passes_through_then_moves, shapes=lambda i, h, o: [(i, h), (h, h), (h, o)]),
    _twin(softmax_loss, softmax_error_first),
    _twin(columns, corrects_columns),
)
