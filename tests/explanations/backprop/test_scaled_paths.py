"""Faults in one factor: of one path of the error, of the learning rate, of a weight that has moved, of the targets."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from gdprops.explanations.backprop.scaled_paths import scaled_paths
from gdprops.subjects.backprop.traced_loss import Operation, Place
from tests.subjects.backprop.judging import Judged, judged

LEAKY = """
class Net:
    def __init__(self, n_in, n_hidden, n_out):
        self.W1, self.W2 = np.random.randn(n_in, n_hidden), np.random.randn(n_hidden, n_out)
    def forward(self, X):
        self.z = X @ self.W1
        self.h = np.where(self.z > 0, self.z, 0.25 * self.z)
        return self.h @ self.W2
    def train(self, X, y, lr):
        e = 2 * (self.forward(X) - y)
        back = e @ self.W2.T * np.where(self.z > 0, 1.0, {slope})
        self.W2 -= lr * self.h.T @ e
        self.W1 -= lr * X.T @ back
"""
MOMENTUM = """
class Net:
    def __init__(self, n_in, n_hidden, n_out):
        self.W = [np.random.randn(n_in, n_hidden), np.random.randn(n_hidden, n_out)]
        self.V = [np.zeros_like(w) for w in self.W]
    def forward(self, X):
        self.h = np.tanh(X @ self.W[0])
        return self.h @ self.W[1]
    def train(self, X, y, lr):
        e = self.forward(X) - y
        found = [X.T @ (e @ self.W[1].T * (1 - self.h**2)), self.h.T @ e]
        for k, g in enumerate(found):
            self.V[k] = 0.5 * self.V[k] + lr * g
            self.W[k] = self.W[k] - {rate}self.V[k]
"""
LISTS = """
import math
class Net:
    def __init__(self, n_in, n_hidden, n_out):
        self.w = [[np.random.uniform(-1, 1) for _ in range(n_hidden)] for _ in range(n_in)]
        self.v = [[np.random.uniform(-1, 1) for _ in range(n_out)] for _ in range(n_hidden)]
    def forward(self, x):
        self.h = [math.tanh(sum(a * row[j] for a, row in zip(x, self.w))) for j in range(len(self.w[0]))]
        self.o = [sum(h * row[k] for h, row in zip(self.h, self.v)) for k in range(len(self.v[0]))]
        return self.o
    def train(self, x, y, lr):
        self.forward(x)
        err = [o - t for o, t in zip(self.o, y)]
        early = [sum(err[k] * self.v[j][k] for k in range(len(err))) for j in range(len(self.h))]
        for j in range(len(self.h)):
            for k in range(len(err)):
                self.v[j][k] -= lr * err[k] * self.h[j]
        late = [sum(err[k] * self.v[j][k] for k in range(len(err))) for j in range(len(self.h))]
        for j in range(len(self.h)):
            for i in range(len(x)):
                self.w[i][j] -= lr * {back}[j] * (1 - self.h[j] ** 2) * x[i]
"""
SOFTMAX = """
def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)
def loss(p, X, y):
    return -np.mean(np.sum(y * np.log(softmax(np.tanh(X @ p["W1"]) @ p["W2"])), axis=1))
def gradients(p, X, y):
    h = np.tanh(X @ p["W1"])
    d = (softmax(h @ p["W2"]) - y) / len(X)
    grads = {{"W2": h.T @ d, "W1": X.T @ (d @ p["W2"].T * (1 - h * h))}}
    return {{name: {share}g for name, g in grads.items()}}
"""
FAULTS = {
    "a slope": (LEAKY, {"slope": "0.01"}, "W1: 0.01 stands where the derivative of line 8 has the factor 0.25", 12),
    "the rate": (MOMENTUM, {"rate": "lr * "}, "moved less far by the learning rate (it enters twice)", 15),
    "moved weights": (LISTS, {"back": "late"}, "w: the error goes back through the already updated weights v", 19),
    "one-hot targets": (SOFTMAX, {"share": "g.size / g.size / len(X) * "}, "divided by the number of rows", 12),
}


def said(folder: Path, name: str, **written: str) -> Judged:
    code, wrong, _, _ = FAULTS[name]
    return judged(folder, code.format(**{**wrong, **written}), examples=8)


SLOW = ("a slope", "one-hot targets")


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.nightly] * (n in SLOW)) for n in FAULTS])
def test_the_factor_is_named(tmp_path: Path, name: str) -> None:
    _, _, told, line = FAULTS[name]
    found = said(tmp_path, name)
    assert found.verdict == "wrong"
    assert told in found.told
    assert line in found.lines


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("a slope", {"slope": "0.25"}),
        ("the rate", {"rate": ""}),
        ("moved weights", {"back": "early"}),
        ("one-hot targets", {"share": ""}),
    ],
)
def test_the_same_network_without_the_fault_is_right(tmp_path: Path, name: str, written: dict[str, str]) -> None:
    assert said(tmp_path, name, **written).verdict == "right"


def test_a_factor_is_fitted_to_what_is_known_well_and_not_to_kinks() -> None:
    """The last entry lies at a kink, where the differences of the loss are of neither side: it may be off by 1/8."""
    place = Place("net.py", 7, 0, "multiply")
    operation = Operation(place, (0.25, np.ones(6)), {}, np.ones(6), (None, 0))
    past, through = np.ones(6), np.arange(1.0, 7.0)
    moved = past + 0.5 * through + 0.1 * np.eye(6)[-1]
    step = SimpleNamespace(
        before=[moved], after=[0 * moved], gradients=[past + through], allowed=[np.array([1e-12] * 5 + [0.125])]
    )
    traced = SimpleNamespace(held_fixed=lambda one: [(operation, None)], gradient=lambda one, i, held: past)
    (found,) = scaled_paths([step], 0, traced, lambda one: 1.0)  # type: ignore[list-item, arg-type] # what it asks for
    assert found.text == "0.125 stands where the derivative of line 7 has the factor 0.25"
