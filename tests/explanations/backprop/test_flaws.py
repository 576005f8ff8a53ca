"""A backward pass with one flaw is named by it, on every activation that tells it apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gdprops.model.verdict import Status
from gdprops.runner.session import check_subject
from gdprops.runner.settings import Settings
from gdprops.subjects.backprop.subject import backprop

Array = Any


def sigmoid(z: Array) -> Array:
    return 1 / (1 + np.exp(-z))


def d_sigmoid(z: Array) -> Array:
    return sigmoid(z) * (1 - sigmoid(z))


def network(
    act: Callable[[Array], Array] = sigmoid,
    slope: Callable[[Array, Array, Array], Array] = lambda z, h, e: h * (1 - h),
    *,
    taken: Callable[[Array, Array], Array] = lambda z, h: h,
    delta: Callable[[Array, Array], Array] = lambda o, y: (o - y) * o * (1 - o),
    bias: Callable[[Array], Array] = lambda d: d.sum(axis=0),
) -> Any:
    """Return a network whose output is a sigmoid, with a hidden activation and a backward pass as it is said."""

    def forward(p: Any, X: Array) -> tuple[Array, Array, Array]:
        z = X @ p["W1"] + p["b1"]
        return z, act(z), sigmoid(act(z) @ p["W2"] + p["b2"])

    def loss(p: Any, X: Array, y: Array) -> Any:
        return np.sum((forward(p, X)[2] - y) ** 2) / 2

    def step(p: Any, X: Array, y: Array, lr: float) -> None:
        z, h, o = forward(p, X)
        d = delta(o, y)
        e = d @ p["W2"].T
        dh = e * slope(z, h, e)
        for name, g in {"W1": X.T @ dh, "b1": bias(dh), "W2": taken(z, h).T @ d, "b2": bias(d)}.items():
            p[name] = p[name] - lr * g

    return backprop(loss, step, name="flawed")


ALL, HIDDEN = "W1, b1, W2, b2", "W1, b1"


@pytest.mark.parametrize(
    ("flaw", "explanation"),
    [
        ({"slope": lambda z, h, e: 1}, f"{HIDDEN}: the derivative of the activation (sigmoid) is missing"),
        (
            {"slope": lambda z, h, e: d_sigmoid(h)},
            f"{HIDDEN}: the derivative of the activation (sigmoid) is taken at the activation h = f(z) instead of at z",
        ),
        (
            {"slope": lambda z, h, e: z * (1 - z)},
            f"{HIDDEN}: the derivative of sigmoid is written as a formula in h = f(z), and is given z",
        ),
        (
            {"slope": lambda z, h, e: d_sigmoid(z) ** 2},
            f"{HIDDEN}: the derivative of the activation (sigmoid) enters twice",
        ),
        (
            {"act": np.tanh, "slope": lambda z, h, e: 1 - h},
            f"{HIDDEN}: 1 - h stands where the derivative of the activation h (tanh) should",
        ),
        ({"act": np.tanh}, f"{HIDDEN}: the derivative of sigmoid is used for that of tanh"),
        (
            {"delta": lambda o, y: o - y},
            f"{ALL}: the derivative of the output's activation is missing",
        ),
        (
            {"delta": lambda o, y: (o - y) * (o * (1 - o)) ** 2},
            f"{ALL}: the derivative of the output's activation enters once too often",
        ),
        (
            {"taken": lambda z, h: z},
            "W2: the gradient is taken with the pre-activations z of the layer before, not with its activations",
        ),
        (
            {"bias": lambda d: np.full(d.shape[1], d.sum())},
            "b1: every entry moved by the sum of all entries' gradients",
        ),
    ],
)
def test_a_flaw_is_named(flaw: dict[str, Any], explanation: str) -> None:
    outcome = check_subject(network(**flaw), settings=Settings(seed=0, examples=40), clauses="step.plain")
    (verdict,) = outcome.verdicts
    assert verdict.status is Status.VIOLATED
    assert verdict.explanation == explanation


def test_the_right_backward_pass_is_not_accused() -> None:
    outcome = check_subject(network(), settings=Settings(seed=0, examples=40), clauses="step.plain")
    assert [v.status for v in outcome.verdicts] == [Status.HELD]


def test_a_flaw_of_one_layer_says_which() -> None:
    shapes = {"W1": (2, 3), "b1": (3,), "W2": (3, 2), "b2": (2,), "W3": (2, 1), "b3": (1,)}

    def forward(p: Any, X: Array) -> tuple[Array, Array, Array]:
        h1 = np.tanh(X @ p["W1"] + p["b1"])
        h2 = np.tanh(h1 @ p["W2"] + p["b2"])
        return h1, h2, h2 @ p["W3"] + p["b3"]

    def loss(p: Any, X: Array, y: Array) -> Any:
        return np.mean((forward(p, X)[2] - y) ** 2)

    def step(p: Any, X: Array, y: Array, lr: float) -> None:
        h1, h2, out = forward(p, X)
        d3 = 2 * (out - y) / y.size
        d2 = d3 @ p["W3"].T  # and where is 1 - h2**2?
        d1 = d2 @ p["W2"].T * (1 - h1**2)
        for k, h, d in (("1", X, d1), ("2", h1, d2), ("3", h2, d3)):
            p[f"W{k}"], p[f"b{k}"] = p[f"W{k}"] - lr * h.T @ d, p[f"b{k}"] - lr * d.sum(axis=0)

    subject = backprop(loss, step, shapes=shapes, name="flawed")
    (verdict,) = check_subject(subject, settings=Settings(seed=0, examples=40), clauses="step.plain").verdicts
    assert verdict.explanation == (
        "W1, b1, W2, b2: the derivative of the activation (tanh) is missing, in the layer of W2"
    )
