"""Backprop as students write it: correct ones in several styles, and faulty ones named for the fault."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Params = dict[str, Any]
Array = Any


def shapes(n_in: int, n_hidden: int, n_out: int) -> dict[str, tuple[int, ...]]:
    return {"W1": (n_in, n_hidden), "b1": (n_hidden,), "W2": (n_hidden, n_out), "b2": (n_out,)}


def listed(n_in: int, n_hidden: int, n_out: int) -> list[tuple[int, ...]]:
    return [(n_hidden, n_in), (n_hidden,), (n_out, n_hidden), (n_out,)]


def sigmoid(z: Array) -> Array:
    return 1 / (1 + np.exp(-z))


def forward(params: Params, X: Array) -> tuple[Array, Array]:
    h = np.tanh(X @ params["W1"] + params["b1"])
    return h, h @ params["W2"] + params["b2"]


def loss(params: Params, X: Array, y: Array) -> float:
    return float(0.5 * np.sum((forward(params, X)[1] - y) ** 2))


def gradients(params: Params, X: Array, y: Array) -> Params:
    h, out = forward(params, X)
    d = out - y
    dh = d @ params["W2"].T * (1 - h**2)
    return {"W1": X.T @ dh, "b1": dh.sum(axis=0), "W2": h.T @ d, "b2": d.sum(axis=0)}


def in_place(params: Params, X: Array, y: Array, lr: float) -> None:
    for name, g in gradients(params, X, y).items():
        params[name] -= lr * g


def returned(params: Params, X: Array, y: Array, lr: float) -> Params:
    return {name: params[name] - lr * g for name, g in gradients(params, X, y).items()}


def both(params: Params, X: Array, y: Array, lr: float) -> Params:
    params.update(returned(params, X, y, lr))
    return params


def relu_loss(params: Params, X: Array, y: Array) -> Any:
    return np.mean((np.maximum(X @ params["W1"] + params["b1"], 0) @ params["W2"] + params["b2"] - y) ** 2)


def relu_gradients(params: Params, X: Array, y: Array) -> Params:
    z = X @ params["W1"] + params["b1"]
    h = np.maximum(z, 0)
    d = 2 * (h @ params["W2"] + params["b2"] - y) / y.size
    dz = d @ params["W2"].T * (z > 0)
    return {"dW1": X.T @ dz, "db1": dz.sum(0), "dW2": h.T @ d, "db2": d.sum(0)}


def relu_step(params: Params, X: Array, y: Array, lr: float) -> float:
    found = relu_gradients(params, X, y)
    for name in params:
        params[name][...] = params[name] - lr * found[f"d{name}"]
    return float(relu_loss(params, X, y))


def no_bias_loss(params: Params, X: Array, y: Array) -> float:
    return float(np.sum((np.maximum(X @ params["W1"], 0) @ params["W2"] - y) ** 2))


def no_bias_step(params: Params, X: Array, y: Array, lr: float) -> None:
    z = X @ params["W1"]
    d = 2 * (np.maximum(z, 0) @ params["W2"] - y)
    dW1, dW2 = X.T @ (d @ params["W2"].T * (z >= 0)), np.maximum(z, 0).T @ d
    params["W1"] -= lr * dW1
    params["W2"] -= lr * dW2


def looped_loss(params: list[Array], X: Array, y: Array) -> float:
    W1, b1, W2, b2 = params
    return float(sum(0.5 * sum((W2 @ sigmoid(W1 @ x + b1) + b2 - t) ** 2) for x, t in zip(X, y, strict=True)))


def looped_step(params: list[Array], X: Array, y: Array, lr: float) -> list[Array]:
    W1, b1, W2, b2 = params
    found = [np.zeros_like(w) for w in params]
    for x, t in zip(X, y, strict=True):
        h = sigmoid(W1 @ x + b1)
        d = W2 @ h + b2 - t
        dh = W2.T @ d * h * (1 - h)
        parts = (np.outer(dh, x), dh, np.outer(d, h), d)
        found = [g + part for g, part in zip(found, parts, strict=True)]
    return [w - lr * g for w, g in zip(params, found, strict=True)]


def softmax(params: Params, X: Array) -> Array:
    e = np.exp(X @ params["W"] + params["b"])
    return e / e.sum(axis=1, keepdims=True)


def cross_entropy(params: Params, X: Array, y: Array) -> Any:
    return -np.mean(np.sum(y * np.log(softmax(params, X) + 1e-12), axis=1))


def softmax_step(params: Params, X: Array, y: Array, lr: float) -> None:
    d = (softmax(params, X) - y) / len(X)
    params["W"] -= lr * X.T @ d
    params["b"] -= lr * d.sum(axis=0)


def label_loss(params: Params, X: Array, y: Array) -> Any:
    return -np.mean(np.log(softmax(params, X)[np.arange(len(y)), y]))


def label_step(params: Params, X: Array, y: Array, lr: float) -> None:
    softmax_step(params, X, np.eye(len(params["b"]))[y], lr)


def updates_as_it_goes(params: Params, X: Array, y: Array, lr: float) -> None:
    h, out = forward(params, X)
    d = out - y
    params["W2"] -= lr * h.T @ d
    params["b2"] -= lr * d.sum(axis=0)
    dh = d @ params["W2"].T * (1 - h**2)
    params["W1"] -= lr * X.T @ dh
    params["b1"] -= lr * dh.sum(axis=0)


def rebinds_as_it_goes(params: Params, X: Array, y: Array, lr: float) -> Params:
    h, out = forward(params, X)
    d = out - y
    params["W2"] = params["W2"] - lr * np.dot(h.T, d)
    params["b2"] = params["b2"] - lr * np.sum(d, axis=0)
    dh = np.dot(d, params["W2"].T) * (1 - h**2)
    params["W1"] = params["W1"] - lr * np.dot(X.T, dh)
    params["b1"] = params["b1"] - lr * np.sum(dh, axis=0)
    return params


def moves_its_locals(params: Params, X: Array, y: Array, lr: float) -> Params:
    h, out = forward(params, X)
    d, W2 = out - y, params["W2"]
    W2 = W2 - lr * h.T @ d
    dh = d.dot(W2.T) * (1 - h**2)
    moved = {"W1": params["W1"] - lr * X.T @ dh, "b1": params["b1"] - lr * dh.sum(0)}
    return {**moved, "W2": W2, "b2": params["b2"] - lr * d.sum(0)}


def from_scratch_shapes(n_in: int, n_hidden: int, n_out: int) -> list[tuple[int, ...]]:
    """Every row is a neuron, its bias the last weight (data-science-from-scratch#31)."""
    return [(n_hidden, n_in + 1), (n_out, n_hidden + 1)]


def from_scratch_outputs(network: list[Array], x: Array) -> list[list[float]]:
    found, values = [], list(x)
    for layer in network:
        values = [sigmoid(sum(w * v for w, v in zip(neuron, [*values, 1], strict=True))) for neuron in layer]
        found.append(values)
    return found


def from_scratch_loss(network: list[Array], X: Array, y: Array) -> float:
    outputs = [from_scratch_outputs(network, x)[-1] for x in X]
    return float(
        sum(0.5 * (o - t) ** 2 for row, aim in zip(outputs, y, strict=True) for o, t in zip(row, aim, strict=True))
    )


def from_scratch(network: list[Array], X: Array, y: Array, lr: float) -> None:
    seen = [from_scratch_outputs(network, x) for x in X]
    deltas = [[o * (1 - o) * (o - t) for o, t in zip(s[1], aim, strict=True)] for s, aim in zip(seen, y, strict=True)]
    for i, neuron in enumerate(network[-1]):
        for j in range(len(neuron)):
            neuron[j] -= lr * sum(d[i] * [*s[0], 1][j] for d, s in zip(deltas, seen, strict=True))
    for i, neuron in enumerate(network[0]):
        for j in range(len(neuron)):
            total = 0.0
            for x, s, d in zip(X, seen, deltas, strict=True):
                back = sum(e * n[i] for e, n in zip(d, network[-1], strict=True))
                total += s[0][i] * (1 - s[0][i]) * back * [*x, 1][j]
            neuron[j] -= lr * total


def toy_network(params: Params, X: Array, y: Array, lr: float) -> None:
    """As Toy-Neural-Network-JS#72: the output layer is adjusted, and then its errors are sent back through it."""
    h, out = forward(params, X)
    errors = y - out
    params["W2"] += lr * np.matmul(h.T, errors)
    params["b2"] += lr * errors.sum(axis=0)
    hidden_errors = np.matmul(errors, np.transpose(params["W2"]))
    gradient = hidden_errors * (1 - h * h)
    params["W1"] += lr * np.matmul(X.T, gradient)
    params["b1"] += lr * gradient.sum(axis=0)


def zero_to_gpt_shapes(n_in: int, n_hidden: int, n_out: int) -> list[tuple[int, ...]]:
    return [(n_in, n_hidden), (n_hidden, n_out)]


def zero_to_gpt_loss(layers: list[Array], X: Array, y: Array) -> Any:
    return np.mean((np.tanh(X @ layers[0]) @ layers[1] - y) ** 2)


def zero_to_gpt(layers: list[Array], X: Array, y: Array, lr: float) -> list[Array]:
    """As zero_to_gpt#12: a loop from the last layer to the first that moves a layer and then goes back through it."""
    hiddens = [X, np.tanh(X @ layers[0])]
    grad = 2 * (hiddens[1] @ layers[1] - y) / y.size
    for i in range(len(layers) - 1, -1, -1):
        if i < len(layers) - 1:
            grad = np.multiply(grad, 1 - hiddens[i + 1] ** 2)
        layers[i] -= lr * (hiddens[i].T @ grad)
        grad = grad @ layers[i].T
    return layers


def stepping(change: Callable[[Params, Params, Array, Array], None]) -> tuple[Any, Any]:
    """Return a step and the gradients that somebody got wrong."""

    def wrong(params: Params, X: Array, y: Array) -> Params:
        found = gradients(params, X, y)
        change(found, params, X, y)
        return found

    def step(params: Params, X: Array, y: Array, lr: float) -> None:
        for name, g in wrong(params, X, y).items():
            params[name] -= lr * g

    return step, wrong


def flips_a_sign(g: Params, params: Params, X: Array, y: Array) -> None:
    g["W1"] *= -1


def forgets_a_layer(g: Params, params: Params, X: Array, y: Array) -> None:
    g["W1"], g["b1"] = np.zeros_like(g["W1"]), np.zeros_like(g["b1"])


def forgets_a_bias(g: Params, params: Params, X: Array, y: Array) -> None:
    g["b1"] = 0 * g["b1"]


def forgets_to_transpose(g: Params, params: Params, X: Array, y: Array) -> None:
    h, out = forward(params, X)
    if params["W2"].shape[0] == params["W2"].shape[1]:
        dh = (out - y) @ params["W2"] * (1 - h**2)
        g["W1"], g["b1"] = X.T @ dh, dh.sum(axis=0)


def forgets_the_activation(g: Params, params: Params, X: Array, y: Array) -> None:
    dh = (forward(params, X)[1] - y) @ params["W2"].T
    g["W1"], g["b1"] = X.T @ dh, dh.sum(axis=0)


def forgets_to_average(params: Params, X: Array, y: Array, lr: float) -> None:
    found = relu_gradients(params, X, y)
    for name in params:
        params[name] -= lr * found[f"d{name}"] * len(X)


def steps_twice(params: Params, X: Array, y: Array, lr: float) -> None:
    found = gradients(params, X, y)
    for _ in range(2):
        for name, g in found.items():
            params[name] -= lr * g


def stale_activation() -> Callable[..., None]:
    """Return a step that keeps the hidden layer of the step before for the last layer's gradient."""
    kept: list[Array] = []

    def step(params: Params, X: Array, y: Array, lr: float) -> None:
        h, out = forward(params, X)
        found = gradients(params, X, y)
        if kept and kept[-1].shape == h.shape:
            found["W2"] = kept[-1].T @ (out - y)
        kept.append(h)
        for name, g in found.items():
            params[name] -= lr * g

    return step


def raises(params: Params, X: Array, y: Array, lr: float) -> None:
    raise ZeroDivisionError("a student's mistake")
