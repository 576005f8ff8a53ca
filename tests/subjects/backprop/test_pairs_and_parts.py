"""Batches as a pair (X, y), gradients for each sample, losses with their gradients, layers beside their network."""

from __future__ import annotations

from pathlib import Path

import pytest

from gdprops.errors import UsageError
from tests.subjects.backprop.judging import judged, wrongly_moved

PER_SAMPLE = """
class MLP:
    def __init__(self, sizes):
        self.weights = [np.random.randn(b, a) for a, b in zip(sizes[:-1], sizes[1:])]
    def forward(self, x):
        activations = [x]
        for w in self.weights:
            x = np.tanh(x @ w.T)
            activations.append(x)
        return activations
    def backprop(self, x, y):
        a, grads = self.forward(x), []
        delta = (a[-1] - y) * (1 - a[-1] ** 2)
        for i in reversed(range(len(self.weights))):
            grads.insert(0, delta[:, :, None] @ a[i][:, None, :])
            delta = (delta @ self.weights[i]) * (1 - a[i] ** 2)
        return grads
"""
TRAINED = """
    def train_step(self, batch, lr):
        x, y = batch
        grads = [g.mean(axis=0) for g in self.backprop(x, y)]
        self.weights = [w - lr * g for w, g in zip(self.weights, grads)]
"""
SCORED = """
class Net:
    def __init__(self, input_dim, hidden_dim, out_dim):
        self.params = {"W1": np.random.randn(input_dim, hidden_dim), "W2": np.random.randn(hidden_dim, out_dim)}
    def forward(self, X):
        hidden = np.tanh(X @ self.params["W1"])
        return hidden @ self.params["W2"], (X, hidden)
    def backward(self, d_out, cache):
        X, hidden = cache
        d_hidden = (d_out @ self.params["W2"].T) * (1 - hidden ** 2)
        return {"W1": X.T @ d_hidden, "W2": hidden.T @ d_out}
    def loss(self, X, y, with_grads=True):
        scores, cache = self.forward(X)
        p = np.exp(scores - scores.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        loss = -np.log(p[np.arange(len(y)), y]).mean()
        if not with_grads:
            return loss, None
        d_out = p.copy()
        d_out[np.arange(len(y)), y] -= 1
        grads = self.backward(d_out / len(y), cache)
        return loss, grads
"""
PARTS = """
class Layer:
    def __init__(self, input_dim, output_dim, learning_rate):
        self.W, self.rate = np.random.randn(output_dim, input_dim), learning_rate
    def forward(self, x):
        self.x, self.a = x, np.tanh(self.W @ x)
        return self.a
    def backward(self, grad):
        delta = grad * (1 - self.a ** 2)
        self.dW = delta @ self.x.T
        return self.W.T @ delta
    def train(self, grad):
        out = self.backward(grad)
        self.W -= self.rate * self.dW
        return out

class Net:
    def __init__(self, sizes, learning_rate):
        self.layers = [Layer(a, b, learning_rate) for a, b in zip(sizes[:-1], sizes[1:])]
    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x
    def train(self, x, y):
        grad = self.forward(x) - y
        for layer in reversed(self.layers):
            grad = layer.train(grad)
"""
ROUNDS = """
class Net:
    def __init__(self, n_in, n_h, n_out):
        self.W1, self.W2 = np.random.randn(n_h, n_in), np.random.randn(n_out, n_h)
    def forward(self, X):
        A1 = np.tanh(self.W1 @ X)
        return 1 / (1 + np.exp(-self.W2 @ A1)), A1
    def fit(self, X, Y, alpha):
        X, Y = X.T, Y.T
        A2, A1 = self.forward(X)
        d2 = A2 - Y
        d1 = (self.W2.T @ d2) * (1 - A1 ** 2)
        self.W2 -= alpha * d2 @ A1.T
        self.W1 -= alpha * d1 @ X.T
    def predict(self, X):
        return (self.forward(X.T)[0].T > 0.5) * 1.0
"""


def test_gradients_for_each_sample_are_no_training_that_moves_nothing(tmp_path: Path) -> None:
    found = judged(tmp_path, PER_SAMPLE + TRAINED, examples=4)
    assert found.verdict == "right"
    assert "train_step(batch, lr)" in found.notes
    wrong = PER_SAMPLE.replace("(delta @ self.weights[i]) * (1 - a[i] ** 2)", "delta @ self.weights[i]") + TRAINED
    assert wrongly_moved(tmp_path, wrong, "MLP") == {"weights[0]"}


def test_gradients_in_nested_lists_are_no_training_that_moves_nothing(tmp_path: Path) -> None:
    code = PER_SAMPLE.replace("grads.insert(0, ", "grads.insert(0, [").replace(
        "a[i][:, None, :])", "a[i][:, None, :]])"
    )
    nested = code.replace("return grads", "return {'w': [[g.tolist() for g in one] for one in grads]}")
    with pytest.raises(UsageError, match="moves no parameter and gives no gradient of one"):
        judged(tmp_path, nested, examples=4)


def test_a_loss_with_its_gradients_is_a_network_although_it_has_a_backward_pass(tmp_path: Path) -> None:
    assert judged(tmp_path, SCORED, examples=10).verdict == "right"
    assert wrongly_moved(tmp_path, SCORED.replace(" * (1 - hidden ** 2)", ""), "Net") == {"params['W1']"}


def test_a_layer_that_trains_itself_is_a_part_of_the_network_that_makes_it(tmp_path: Path) -> None:
    assert judged(tmp_path, PARTS, examples=4).verdict == "right"
    assert wrongly_moved(tmp_path, PARTS.replace("self.W.T @ delta", "self.W.T @ grad"), "Net") == {"layers[0].W"}


def test_a_forward_pass_over_columns_is_found_beside_a_prediction_that_rounds_rows(tmp_path: Path) -> None:
    assert judged(tmp_path, ROUNDS, examples=4).verdict == "right"
    assert wrongly_moved(tmp_path, ROUNDS.replace("* (1 - A1 ** 2)", "* (1 - A1)"), "Net") == {"W1"}
