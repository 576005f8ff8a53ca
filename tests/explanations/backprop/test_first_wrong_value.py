"""The line that is wrong, found by comparing every value of a backward pass with the exact derivatives."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.subjects.backprop.judging import judged

NETWORK = """
def slope(a):
    return a * (1 - a)
class Network:
    def __init__(self, n_in, n_hidden, n_out, lr=0.1):
        self.W1, self.b1 = np.random.randn(n_in, n_hidden), np.zeros((1, n_hidden))
        self.W2, self.b2 = np.random.randn(n_hidden, n_out), np.zeros((1, n_out))
        self.lr = lr
    def forward(self, X):
        self.z1 = X @ self.W1 + self.b1
        self.a1 = 1 / (1 + np.exp(-self.z1))
        return self.a1 @ self.W2 + self.b2
    def train(self, X, y):
        m = len(X)
        error = self.forward(X) - y
        dW2 = self.a1.T @ error / m
        db2 = error.sum(axis=0, keepdims=True) / m
        back = error @ self.W2.T
        delta = back * slope(self.a1)
        dW1 = X.T @ delta / m
        db1 = delta.sum(axis=0, keepdims=True) / m
        self.W1 -= self.lr * dW1
        self.b1 -= self.lr * db1
        self.W2 -= self.lr * dW2
        self.b2 -= self.lr * db2
"""
FAULTS = {
    "the error is not that of the output": ("back = error @", "back = (error ** 2) @", 19),
    "the slope of another value": ("slope(self.a1)", "slope(self.z1)", 20),
    "the slope is left out": ("back * slope(self.a1)", "back", 20),
    "a gradient is not divided": ("dW1 = X.T @ delta / m", "dW1 = X.T @ delta", 21),
    "a bias is summed over everything": ("db1 = delta.sum(axis=0, keepdims=True) / m", "db1 = delta.sum() / m", 22),
    "another gradient is taken": ("self.lr * db1", "self.lr * self.b1", 24),
    "a sign is turned": ("self.W1 -= self", "self.W1 += self", 23),
    "a factor comes in where the error goes back": ("back = error @", "back = 2 * error @", 19),
}


@pytest.mark.parametrize(("right", "wrong", "line"), FAULTS.values(), ids=FAULTS.keys())
def test_the_line_of_a_fault(tmp_path: Path, right: str, wrong: str, line: int) -> None:
    assert NETWORK.count(right) == 1
    found = judged(tmp_path, NETWORK.replace(right, wrong))
    assert found.verdict == "wrong"
    assert found.lines[:1] == (line,), found


LISTED = """
class Network:
    def __init__(self, n_in, n_hidden, n_out):
        self.W, self.V = np.random.randn(n_in, n_hidden), np.random.randn(n_hidden, n_out)
    def forward(self, X):
        self.h = np.tanh(X @ self.W)
        return self.h @ self.V
    def gradients(self, X, y):
        e = self.forward(X) - y
        back = e @ self.V.T * (1 - self.h**2)
        return {
            "V": self.h.T @ e,
            "W": X.T @ back{share},
        }
    def train(self, X, y, lr):
        for name, g in self.gradients(X, y).items():
            setattr(self, name, getattr(self, name) - lr * g)
"""


def test_the_line_inside_a_dict_of_several_lines(tmp_path: Path) -> None:
    assert judged(tmp_path, LISTED.replace("{share}", "")).verdict == "right"
    found = judged(tmp_path, LISTED.replace("{share}", " / len(X)"), name="wrong.py")
    assert (found.verdict, found.lines[:1]) == ("wrong", (14,)), found


PER_SAMPLE = """
class Network:
    def __init__(self, sizes):
        self.weights = [np.random.randn(b, a) for a, b in zip(sizes, sizes[1:])]
    def forward(self, x):
        for w in self.weights:
            x = np.tanh(w @ x)
        return x
    def train(self, X, y, lr):
        total = [np.zeros(w.shape) for w in self.weights]
        for k in range(len(X)):
            values = [X[k].reshape(-1, 1)]
            for w in self.weights:
                values.append(np.tanh(w @ values[-1]))
            delta = (values[-1] - y[k].reshape(-1, 1)) * (1 - values[-1] ** 2)
            total[-1] = total[-1] + delta @ values[-2].T
            delta = {back}
            total[-2] = total[-2] + delta @ values[-3].T
        for k in range(len(total)):
            self.weights[k] = self.weights[k] - lr * total[k]
"""


def test_the_line_of_a_fault_where_rows_are_gone_through_one_by_one(tmp_path: Path) -> None:
    found = judged(tmp_path, PER_SAMPLE.format(back="(self.weights[-1].T @ delta) * values[-2]"))
    assert found.verdict == "wrong"
    assert found.lines == (18,)
