"""Code without a forward pass: its output is what its loss computes on the way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gdprops.subjects.backprop.as_written.of_file import has_functions
from gdprops.subjects.backprop.as_written.output_in_loss import output_in
from tests.subjects.backprop.judging import judged, of_functions, wrongly_moved

APART = """
    def loss(X, y, W1, b1, W2, b2):
        h = np.tanh(X @ W1 + b1)
        out = h @ W2 + b2
        return np.mean(np.sum((out - y) ** 2, axis=1)) / 2


    def train(X, y, W1, b1, W2, b2, lr):
        h = np.tanh(X @ W1 + b1)
        d2 = (h @ W2 + b2 - y) / len(X)
        d1 = d2 @ W2.T * (1 - h ** 2)
        return W1 - lr * X.T @ d1, b1 - lr * d1.sum(0), W2 - lr * h.T @ d2, b2 - lr * d2.sum(0)
"""


@pytest.mark.parametrize(
    ("old", "new", "wrong"),
    [("lr", "lr", set()), ("d1.sum(0)", "d1.mean(0)", {"b1"}), ("* (1 - h ** 2)", "* h", {"W1", "b1"})],
    ids=("right", "bias a mean", "slope"),
)
def test_a_loss_and_a_training_function_over_separate_arrays(
    tmp_path: Path, old: str, new: str, wrong: set[str]
) -> None:
    assert wrongly_moved(tmp_path, APART.replace(old, new), readings=of_functions) == wrong


def test_the_error_that_is_printed_is_not_that_which_is_descended(tmp_path: Path) -> None:
    """The candidates are tried with the output in the loss: ``np.mean`` beside a plain error accuses nobody."""
    told = judged(tmp_path, APART.replace("np.sum((out - y) ** 2, axis=1)", "(out - y) ** 2"), examples=3)
    assert (told.verdict, "the output is out in loss()" in told.notes) == ("right", True)


ONE_UNIT = """
    def cost(X, y, w, b):
        return np.mean((X @ w + b - y) ** 2)


    def gradient_descent(X, y, w, b, learning_rate):
        err = X @ w + b - y
        w = w - learning_rate * 2 * X.T @ err / len(y)
        b = b - learning_rate * 2 * err.sum() / len(y)
        return w, b
"""


@pytest.mark.parametrize(("new", "wrong"), [("err.sum()", set()), ("err.mean()", {"b"})], ids=("right", "wrong"))
def test_a_single_unit_may_have_a_vector_of_weights(tmp_path: Path, new: str, wrong: set[str]) -> None:
    """The output has no name: it is a part of the expression. Single samples would hide a mean from a sum."""
    assert wrongly_moved(tmp_path, ONE_UNIT.replace("err.sum()", new), readings=of_functions) == wrong


HINGE = """
    def loss(X, y, W):
        scores, n = X @ W, len(X)
        margins = np.maximum(0, scores - scores[np.arange(n), y][:, None] + 1)
        margins[np.arange(n), y] = 0
        return margins.sum() / n


    def train(X, y, W, lr):
        scores, n = X @ W, len(X)
        d = (scores - scores[np.arange(n), y][:, None] + 1 > 0).astype(float)
        d[np.arange(n), y] = 0
        d[np.arange(n), y] -= d.sum(axis=1)
        return W - lr * X.T @ d / n
"""


@pytest.mark.parametrize(("new", "wrong"), [("d.sum(axis=1)", set()), ("1", {"W"})], ids=("right", "wrong"))
def test_a_single_matrix_that_comes_back_has_moved(tmp_path: Path, new: str, wrong: set[str]) -> None:
    assert wrongly_moved(tmp_path, HINGE.replace("d.sum(axis=1)", new), readings=of_functions) == wrong


NET = """
    class Net:
        def __init__(self, n_in, n_hidden, n_out):
            self.W1, self.b1 = np.random.randn(n_hidden, n_in), np.zeros((n_hidden, 1))
            self.W2, self.b2 = np.random.randn(n_out, n_hidden), np.zeros((n_out, 1))

        def loss(self, x, t):
            m = x.shape[1]
            a1 = np.tanh(self.W1 @ x + self.b1)
            a2 = self.W2 @ a1 + self.b2
            J = 0.5 * np.sum((a2 - t) ** 2) / m
            d2 = (a2 - t) / m
            d1 = (self.W2.T @ d2) * (1 - a1 ** 2)
            return J, {"W1": d1 @ x.T, "b1": d1.sum(axis=1, keepdims=True),
                       "W2": d2 @ a1.T, "b2": d2.sum(axis=1, keepdims=True)}
"""
LINEAR = """
    class Softmax:
        def __init__(self, n_features, n_classes):
            self.W, self.b = np.random.randn(n_features, n_classes), np.zeros(n_classes)

        def loss_and_gradients(self, X, y):
            logits, N = X @ self.W + self.b, len(X)
            p = np.exp(logits - logits.max(axis=1, keepdims=True))
            p /= p.sum(axis=1, keepdims=True)
            loss = -np.sum(np.log(p[range(N), y])) / N
            p[range(N), y] -= 1
            dW = X.T @ p / N
            db = p.mean(axis=0)
            return loss, dW, db
"""


MARGINS = """
    class Machine:
        def __init__(self, D, C):
            self.W = np.random.randn(D, C)

        def loss(self, X, y, reg):
            N, rows, scores = len(X), np.arange(len(X)), X.dot(self.W)
            margins = np.maximum(0, scores - scores[rows, y][:, None] + 1.0)
            margins[rows, y] = 0
            loss = margins.sum() / N + reg * np.sum(self.W * self.W)
            mask = (margins > 0).astype(float)
            mask[rows, y] = -mask.sum(axis=1)
            dW = X.T.dot(mask) / N + 2 * reg * self.W
            return loss, dW
"""


@pytest.mark.parametrize(
    ("name", "code", "old", "new", "wrong"),
    [
        ("Machine", MARGINS, "y", "y", set()),
        ("Machine", MARGINS, "-mask.sum(axis=1)", "-1", {"W"}),
        ("Net", NET, "* (1 - a1 ** 2)", "* (1 - a1 ** 2)", set()),
        ("Net", NET, "* (1 - a1 ** 2)", "", {"W1", "b1"}),
        ("Softmax", LINEAR, "p.mean(axis=0)", "p.mean(axis=0)", set()),
        ("Softmax", LINEAR, "p.mean(axis=0)", "p.sum(axis=0)", {"b"}),
    ],
    ids=("margins", "margins counted once", "right", "no slope", "linear", "bias a sum"),
)
def test_a_class_with_nothing_but_a_loss_and_its_gradients(
    tmp_path: Path, name: str, code: str, old: str, new: str, wrong: set[str]
) -> None:
    assert wrongly_moved(tmp_path, code.replace(old, new), name) == wrong


def loss(X: Any, y: Any, W: Any, reg: float = 1.0) -> Any:
    scores = X @ W
    error = scores - y
    return np.sum(error**2) + reg * np.sum(np.abs(W))


def test_what_depends_on_the_targets_is_no_output() -> None:
    found = output_in(loss)
    assert found is not None
    assert list(found(X=np.ones((4, 3)), W=np.ones((3, 2)))) == ["part_1", "scores"]


def test_a_function_without_targets_is_no_loss() -> None:
    assert output_in(lambda X, W: X @ W) is None


def test_functions_over_separate_arrays_are_not_called_with_params(tmp_path: Path) -> None:
    file = tmp_path / "net.py"
    file.write_text("def loss(X, y, W): ...\ndef step(X, y, W, lr): ...\n", encoding="utf-8")
    assert not has_functions(str(file))
    file.write_text("def loss(params, X, y): ...\ndef step(params, X, y, lr): ...\n", encoding="utf-8")
    assert has_functions(str(file))


THETA = """
    def cost_function(theta, X, y, lambda_):
        m, h = len(y), 1 / (1 + np.exp(-(X @ theta)))
        J = (-y @ np.log(h) - (1 - y) @ np.log(1 - h)) / m + lambda_ / (2 * m) * np.sum(theta[1:] ** 2)
        grad = X.T @ (h - y) / m
        grad[1:] += lambda_ / m * theta[1:]
        return J, grad
"""


@pytest.mark.parametrize(("new", "wrong"), [(" / m", set()), ("", {"theta"})], ids=("right", "a sum"))
def test_a_single_vector_and_its_cost(tmp_path: Path, new: str, wrong: set[str]) -> None:
    assert wrongly_moved(tmp_path, THETA.replace("(h - y) / m", f"(h - y){new}"), readings=of_functions) == wrong
