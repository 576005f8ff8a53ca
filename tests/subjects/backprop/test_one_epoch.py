"""Training code that tells of itself every tenth of its epochs can be run for one epoch."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from gdprops.kinds.resolve import resolve
from gdprops.subjects.backprop.as_written.one_epoch import run_once
from gdprops.subjects.backprop.subject import Backprop
from tests.subjects.backprop.judging import judged, wrongly_moved

CODE = """
import numpy as np
class Net:
    def __init__(self, n_in, n_out):
        self.W = np.random.randn(n_in, n_out)
    def predict(self, X):
        return X @ self.W
    def loss(self, X, y):
        return 0.5 * np.sum((self.predict(X) - y) ** 2)
    def fit(self, X, y, epochs=1000, lr=0.1):
        for i in range(epochs):
            self.W -= lr * X.T @ (self.predict(X) - y)
            if i % (epochs // 10) == 0:
                print(i, self.loss(X, y))
"""


def test_a_remainder_of_a_share_of_the_epochs_is_defined_for_one_epoch() -> None:
    tree = ast.parse(CODE)
    run_once(tree)
    assert "if i % max(1, epochs // 10) == 0:" in ast.unparse(tree)


def test_fit_is_found_although_it_tells_every_tenth_epoch(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(CODE)
    subject = resolve(str(tmp_path / "net.py"))
    assert isinstance(subject, Backprop)
    assert "fit(X, y, epochs, lr)" in subject.notes[0].text


def test_a_loop_that_begins_at_one_is_run_once_and_not_never(tmp_path: Path) -> None:
    code = CODE.replace("for i in range(epochs)", "for i in range(1, epochs)")
    tree = ast.parse(code)
    assert run_once(tree) == ("the loop in line 11 (range(1, epochs)) was run once",)
    assert "for i in range(1, 1 + epochs):" in ast.unparse(tree)
    assert judged(tmp_path, code, examples=4).verdict == "right"
    wrong = judged(
        tmp_path, code.replace("@ (self.predict(X) - y)", "@ np.abs(self.predict(X) - y)"), name="wrong.py", examples=4
    )
    assert wrong.verdict == "no verdict"


UNTIL = """
class Softmax:
    def __init__(self, tolerance=1e-8, epoch=0, lr=0.01):
        self.tolerance, self.epoch, self.lr = tolerance, epoch, lr
    def predict_proba(self, X):
        e = np.exp(X @ self.w + self.b)
        return e / e.sum(axis=1, keepdims=True)
    def fit(self, X, y):
        y = np.eye(len(np.unique(y)))[y]
        self.b, self.w = np.random.uniform(size=y.shape[1]), np.random.uniform(size=(X.shape[1], y.shape[1]))
        before, cost, iteration = float("inf"), 1, 0
        while iteration <= self.epoch if self.epoch else abs(before - cost) > self.tolerance:
            probs = self.predict_proba(X)
            before, cost = cost, -np.mean(np.sum(y * np.log(probs), axis=1))
            self.w = self.w - self.lr * X.T @ (probs - y) / len(y)
            self.b = self.b - self.lr * np.sum(probs - y, axis=0) / len(y)
            iteration += 1
        return cost
"""


def test_a_loop_until_nothing_changes_is_run_once(tmp_path: Path) -> None:
    found = judged(tmp_path, UNTIL, examples=8)
    assert found.verdict == "right"
    assert "was run once" in found.notes
    assert wrongly_moved(tmp_path, UNTIL.replace(", axis=0) / len(y)", ") / len(y)"), "Softmax") == {"b"}


def test_weights_that_begin_as_whole_zeros_begin_there(tmp_path: Path) -> None:
    code = UNTIL.replace("np.random.uniform(size=y.shape[1])", "[0] * y.shape[1]")
    code = code.replace("np.random.uniform(size=(X.shape[1], y.shape[1]))", "np.zeros((X.shape[1], y.shape[1]), int)")
    assert judged(tmp_path, code, examples=8).verdict == "right"


@pytest.mark.parametrize(
    ("test", "body", "is_cut"),
    [
        ("True", "self.w -= g\n            if cost < tol:\n                break", True),
        ("it < max_iter and error > tol", "error = self.move()\n            it += 1", True),
        ("it < len(X)", "self.move(X[it])\n            it += 1", False),
        ("iteration < 9", "self.move(X[iteration])\n            iteration += 1", False),
        ("layer is not None", "layer = layer.move()", False),
        ("error is not None", "error = self.move(error)", False),
        ("len(errors) < len(self.layers)", "errors.append(self.move(errors[-1]))", False),
    ],
)
def test_loops_over_samples_or_layers_go_on(test: str, body: str, is_cut: bool) -> None:
    tree = ast.parse(f"class Net:\n    def fit(self, X, y):\n        while {test}:\n            {body}\n")
    assert bool(run_once(tree)) == is_cut


def test_a_method_that_goes_back_through_layers_goes_on() -> None:
    tree = ast.parse("class Net:\n    def backward(self, y):\n        while error > 0:\n            error -= 1\n")
    assert run_once(tree) == ()


WHILE_SAMPLES = """
class Net:
    def __init__(self, n_in, n_hidden, n_out, lr=0.1):
        self.W1, self.W2, self.lr = np.random.rand(n_hidden, n_in), np.random.rand(n_out, n_hidden), lr
    def forward(self, x):
        self.h = np.tanh(self.W1 @ x)
        return self.W2 @ self.h
    def train(self, X, T, max_epochs=100, tol=1e-6):
        epoch, err = 0, np.inf
        while epoch < max_epochs and err > tol:
            err, i = 0, 0
            while i < len(X):
                e = self.forward(X[i]) - T[i]
                gh = self.W2.T @ e * (1 - self.h ** 2)
                self.W2 -= self.lr * np.outer(e, self.h)
                self.W1 -= self.lr * np.outer(gh, X[i])
                err += 0.5 * np.sum(e ** 2)
                i += 1
            epoch += 1
"""
WHILE_SCRIPT = """
X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=float)
y = np.array([[0], [1], [1], [0]], dtype=float)
W1, W2 = np.random.randn(2, 4), np.random.randn(4, 1)
lr, epoch, error = 0.5, 0, 1.0
while error > 0.01 and epoch < 10000:
    h = np.tanh(X @ W1)
    out = h @ W2
    d2 = out - y
    d1 = d2 @ W2.T * (1 - h ** 2)
    W2 -= lr * h.T @ d2
    W1 -= lr * X.T @ d1
    error = np.mean(d2 ** 2)
    epoch += 1
"""


@pytest.mark.parametrize(
    ("name", "code", "wrong"),
    [
        ("Net", WHILE_SAMPLES, set()),
        ("Net", WHILE_SAMPLES.replace(" * (1 - self.h ** 2)", ""), {"W1"}),
        ("", WHILE_SCRIPT, set()),
        ("", WHILE_SCRIPT.replace(" * (1 - h ** 2)", ""), {"W1"}),
    ],
    ids=("method right", "method wrong", "script right", "script wrong"),
)
def test_training_in_a_while_loop_is_judged(tmp_path: Path, name: str, code: str, wrong: set[str]) -> None:
    assert wrongly_moved(tmp_path, code, name) == wrong
