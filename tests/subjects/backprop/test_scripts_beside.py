"""What another file of a repository says of a network: how it is made, and what its data would have been."""

from __future__ import annotations

from pathlib import Path

import pytest

from gdprops.subjects.backprop.as_written.scripts_beside import constructions_beside
from gdprops.subjects.user_code.definitions import definitions_of
from tests.subjects.backprop.judging import judged

LAZY = """
class Units:
    def __init__(self, count):
        self.count, self.w, self.b = count, None, None
    def __call__(self, a):
        if self.w is None:
            self.w, self.b = np.random.randn(self.count, a.shape[0]), np.zeros((self.count, 1))
        self.a, self.z = a, self.w @ a + self.b
        return self.z
class Stepper:
    def __init__(self, rate):
        self.rate = rate
class Stack:
    def __init__(self, config, stepper):
        self.layers, self.stepper = config["layers"], stepper
    def predict(self, x):
        for layer in self.layers:
            x = np.tanh(layer(x))
        return x
    def fit(self, x, labels):
        delta = (self.predict(x) - labels) / x.shape[1]
        for layer in reversed(self.layers):
            delta = delta * (1 - np.tanh(layer.z) ** 2)
            back = layer.w.T @ delta
            layer.w = layer.w - self.stepper.rate * delta @ layer.a.T
            layer.b = layer.b - self.stepper.rate * delta.sum(axis=1, keepdims=True)
            delta = back
"""
MAIN = """
import sys
from net import Stack, Stepper, Units
class Trainer:
    def __init__(self):
        self.rate = 0.5
        self.net = Stack({"layers": [Units(300), Units(100)]}, Stepper(self.rate))
        self.net.fit(open("digits.csv"), None)
if __name__ == "__main__":
    Trainer()
"""


def test_weights_that_the_first_pass_makes_in_an_object_that_another_script_makes(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(MAIN, encoding="utf-8")
    found = judged(tmp_path, LAZY)
    assert found.verdict == "right"
    assert "columns are samples; made as in lines 6 to 7 of main.py; predict(X); fit(x, labels)" in found.notes


def test_the_script_whose_optimizer_takes_plain_steps_comes_first(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text("class Net:\n    pass\n", encoding="utf-8")
    (tmp_path / "demo_a.py").write_text("net = Net(Adam(0.1))\n", encoding="utf-8")
    (tmp_path / "demo_b.py").write_text("net = Net(SGD(0.1))\n", encoding="utf-8")
    definitions = definitions_of(tmp_path / "net.py")
    ways = constructions_beside(definitions.own["Net"], definitions)
    assert [way.told for way in ways] == ["made as in line 1 of demo_b.py", "made as in line 1 of demo_a.py"]


@pytest.mark.parametrize(
    ("axes", "verdict", "told"),
    [
        ("axis=1, keepdims=True", "right", ""),
        ("", "wrong", "b1: not moved or, which gives the same weights, every entry moved by the sum of all"),
    ],
)
def test_numbers_that_the_script_would_have_read_from_its_data(
    tmp_path: Path, axes: str, verdict: str, told: str
) -> None:
    code = """
    import csv
    data = np.array(list(csv.reader(open("digits.csv"))), dtype=float)
    m, pixels = data.shape
    input_size = data.shape[1] - 1
    def init_params():
        W1, b1 = np.random.rand(3, input_size) - 0.5, np.random.rand(3, 1) - 0.5
        return W1, b1
    def forward_prop(W1, b1, X):
        Z1 = W1.dot(X) + b1
        E = np.exp(Z1 - Z1.max(axis=0))
        A1 = E / E.sum(axis=0)
        return Z1, A1
    def one_hot(Y):
        rows = np.zeros((Y.size, 3))
        rows[np.arange(Y.size), Y] = 1
        return rows.T
    def backward_prop(Z1, A1, W1, X, Y):
        dZ1 = A1 - one_hot(Y)
        return 1 / X.shape[1] * dZ1.dot(X.T), 1 / m * dZ1.sum({axes})
    def update_params(W1, b1, dW1, db1, alpha):
        return W1 - alpha * dW1, b1 - alpha * db1
    """
    found = judged(tmp_path, code.replace("{axes}", axes))
    assert (found.verdict, found.told.removesuffix(" entries' gradients")) == (verdict, told)
    assert "input_size is computed from data in line 6, not run: it is 3 here" in found.notes
    assert "m is computed from data in line 5, not run: it is the number of samples here" in found.notes


def test_a_function_that_compares_predictions_with_targets_is_no_forward_pass(tmp_path: Path) -> None:
    code = """
    def init_params(layers):
        return {"W1": np.random.randn(layers[1], layers[0]), "b1": np.zeros((layers[1], 1)),
                "W2": np.random.randn(layers[2], layers[1]), "b2": np.zeros((layers[2], 1))}
    def forward_whole(X, params):
        A = np.tanh(params["W1"] @ X + params["b1"])
        return params["W2"] @ A + params["b2"], A
    def backward_whole(out, Y, cache, X, params):
        dZ = (out - Y) / X.shape[1]
        dA = params["W2"].T @ dZ * (1 - cache ** 2)
        return {"dW1": dA @ X.T, "db1": dA.sum(axis=1, keepdims=True),
                "dW2": dZ @ cache.T, "db2": dZ.sum(axis=1, keepdims=True)}
    def update_params(params, grads, learning_rate):
        for name in params:
            params[name] = params[name] - learning_rate * grads["d" + name]
        return params
    def predictions(X, Y, params):
        out, _ = forward_whole(X, params)
        return np.mean((out > 0.5) == Y)
    """
    found = judged(tmp_path, code)
    assert found.verdict == "right"
    assert "forward_whole(), backward_whole(), update_params()" in found.notes


def test_one_sample_as_a_vector_where_a_column_would_be_spread(tmp_path: Path) -> None:
    code = """
    class Net:
        def __init__(self, n_in, n_hidden, n_out):
            self.W1, self.b1 = np.random.rand(n_hidden, n_in), np.random.rand(n_hidden)
            self.W2, self.b2 = np.random.rand(n_out, n_hidden), np.random.rand(n_out)
        def forward(self, x):
            self.x, self.h = x, np.tanh(np.matmul(self.W1, x) + self.b1)
            return np.matmul(self.W2, self.h) + self.b2
        def train(self, x, y, lr):
            error = self.forward(x) - y
            delta = self.W2.T @ error * (1 - self.h ** 2)
            self.W2 -= lr * np.outer(error, self.h)
            self.b2 -= lr * error
            self.W1 -= lr * np.outer(delta, self.x)
            self.b1 -= lr * delta
    """
    found = judged(tmp_path, code)
    assert found.verdict == "right"
    assert "one sample at a time, as a vector" in found.notes
