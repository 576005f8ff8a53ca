"""Networks that a file puts together itself: ``net.add(Dense(3, 4))``, layers handed to a constructor, a builder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.subjects.backprop.judging import judged

LAYERS = """
class Dense:
    def __init__(self, n_in, n_out):
        self.W, self.b = np.random.randn(n_in, n_out), np.zeros((1, n_out))
    def forward(self, x):
        self.x = x
        return x @ self.W + self.b
    def backward(self, error, lr):
        back = error @ self.W.T
        self.W -= lr * self.x.T @ error
        self.b -= lr * {bias}
        return back
class Tanh:
    def forward(self, x):
        self.y = np.tanh(x)
        return self.y
    def backward(self, error, lr):
        return error * (1 - self.y ** 2)
"""
ADDED = """
class Network:
    def __init__(self):
        self.layers = []
    def add(self, layer):
        self.layers.append(layer)
    def use(self, loss_prime):
        self.loss_prime = loss_prime
    def predict(self, X):
        found = []
        for x in X:
            for layer in self.layers:
                x = layer.forward(x)
            found.append(x)
        return found
    def fit(self, X, y, epochs, lr):
        for epoch in range(epochs):
            for k in range(len(X)):
                out = X[k]
                for layer in self.layers:
                    out = layer.forward(out)
                error = self.loss_prime(y[k], out)
                for layer in reversed(self.layers):
                    error = layer.backward(error, lr)
            print("epoch", epoch)
def mse_prime(y, out):
    return 2 * (out - y) / y.size
X = np.array([[[0, 0]], [[0, 1]], [[1, 0]], [[1, 1]]])
net = Network()
net.add(Dense(2, 3))
net.add(Tanh())
net.add(Dense(3, {outputs}))
net.use(mse_prime)
net.fit(X, X[:, :, :1], epochs=1000, lr=0.1)
"""


def test_a_network_that_is_added_up_is_made_as_its_script_makes_it(tmp_path: Path) -> None:
    found = judged(tmp_path, LAYERS.format(bias="error") + ADDED.format(outputs=1))
    assert found.verdict == "right"
    assert "one sample at a time, as a row of its own; made as in lines 48 to 52; predict(X); fit(X, y" in found.notes


def test_a_wrong_layer_of_a_network_that_is_added_up(tmp_path: Path) -> None:
    found = judged(tmp_path, LAYERS.format(bias="error.sum()") + ADDED.format(outputs=2))
    assert found.verdict == "wrong"
    assert found.told == "layers[0].b, layers[2].b: every entry moved by the sum of all entries' gradients"
    assert 12 in found.lines


GIVEN = """
class Model:
    def __init__(self, first, second, rate):
        self.first, self.second, self.rate = first, second, rate
    def forward(self, X):
        return self.second.forward(self.first.forward(X))
    def train(self, X, y):
        error = self.forward(X) - y
        {calls}
def build():
    first = Dense(784, 100)
    return Model(first, Dense(100, 10), 0.1)
def main():
    first = Dense(784, 100)
    model = Model(first, Dense(100, 10), 0.1)
    model.train(np.load("digits.npy"), np.load("labels.npy"))
"""


@pytest.mark.parametrize(
    ("calls", "verdict"),
    [
        ("self.first.backward(self.second.backward(error, self.rate), self.rate)", "right"),
        ("self.first.backward(error @ np.ones_like(self.second.W.T), self.rate)", "no verdict"),
    ],
)
def test_layers_that_a_constructor_is_given_are_made_small(tmp_path: Path, calls: str, verdict: str) -> None:
    found = judged(tmp_path, LAYERS.format(bias="error.sum(axis=0)") + GIVEN.format(calls=calls))
    assert found.verdict == verdict
