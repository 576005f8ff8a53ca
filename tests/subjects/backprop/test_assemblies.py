"""Networks of layers that nobody has put together: made of the building blocks beside them, and judged with care."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from tests.subjects.backprop.judging import Judged, judged

BLOCKS = """
import numpy as np
class Affine:
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
class Squash:
    def forward(self, x):
        self.y = np.tanh(x)
        return self.y
    def backward(self, error, lr):
        return error * (1 - self.y ** 2)
class SquaredLoss:
    def forward(self, target, output):
        return np.mean((output - target) ** 2)
    def backward(self, target, output):
        return 2 * (output - target) / output.size
"""
NETWORK = """
class Network:
    def __init__(self):
        self.layers, self.loss = [], None
    def add_layer(self, layer):
        self.layers.append(layer)
    def set_loss(self, loss):
        self.loss = loss
    def predict(self, X):
        for layer in self.layers:
            X = layer.forward(X)
        return X
    def fit(self, X, y, epochs, lr):
        for epoch in range(epochs):
            error = self.loss.backward(y, self.predict(X))
            for layer in {order}:
                error = layer.backward(error, lr)
"""


def _judged(folder: Path, bias: str = "error.sum(axis=0)", order: str = "reversed(self.layers)") -> Judged:
    (folder / "parts").mkdir()
    (folder / "parts" / "blocks.py").write_text(BLOCKS.format(bias=bias), encoding="utf-8")
    return judged(folder, NETWORK.format(order=order))


def test_a_network_is_put_together_from_the_layers_and_the_loss_in_the_folder_beside_it(tmp_path: Path) -> None:
    found = _judged(tmp_path)
    assert found.verdict == "right"
    assert "put together as [Affine, Squash, Affine], SquaredLoss; predict(X); fit(X, y, epochs, lr)" in found.notes


def test_a_layer_that_is_wrong_in_every_network_is_named_with_its_line(tmp_path: Path) -> None:
    found = judged(tmp_path, BLOCKS.format(bias="error.sum()") + NETWORK.format(order="reversed(self.layers)"))
    assert found.verdict == "wrong"
    assert found.told == "layers[0].b: every entry moved by the sum of all entries' gradients"
    assert found.lines == (13,)


def test_what_a_network_was_put_together_from_is_no_fault_of_its_own(tmp_path: Path) -> None:
    found = _judged(tmp_path, bias="error.sum()")
    assert found.verdict == "no verdict"


def test_a_network_that_is_wrong_in_some_ways_only_is_not_accused(tmp_path: Path) -> None:
    found = _judged(tmp_path, order="reversed([one for one in self.layers if hasattr(one, 'W')])")
    assert found.verdict == "no verdict"  # it is right only without an activation between its layers
    assert "put together as [Affine, Affine], SquaredLoss" in found.notes


PAIRS = """
class Activation:
    def __init__(self, function, slope):
        self.function, self.slope = function, slope
    def forward(self, x):
        self.x = x
        return self.function(x)
    def backward(self, error, lr):
        return error * self.slope(self.x)
def tanh(x):
    return np.tanh(x)
def tanh_prime(x):
    return 1 - np.tanh(x) ** 2
def mse(y, out):
    return np.mean((out - y) ** 2)
def mse_prime(y, out):
    return 2 * (out - y) / out.size
class Network:
    def __init__(self, layers, loss, loss_prime):
        self.layers, self.loss, self.loss_prime = layers, loss, loss_prime
    def forward(self, X):
        for layer in self.layers:
            X = layer.forward(X)
        return X
    def train(self, X, y, learning_rate):
        error = self.loss_prime(y, self.forward(X))
        for layer in reversed(self.layers):
            error = layer.backward(error, learning_rate)
"""


def test_activations_and_losses_that_are_functions_beside_their_slopes(tmp_path: Path) -> None:
    affine = BLOCKS.format(bias="error.sum(axis=0)").partition("class Squash")[0]
    found = judged(tmp_path, affine + PAIRS)
    assert found.verdict == "right"
    assert "put together as [Affine, Activation(tanh, tanh_prime), Affine], mse; forward(X)" in found.notes


SEQUENTIAL = """
class Sequential:
    def __init__(self, layers):
        self.layers = layers
    def forward(self, X):
        for layer in self.layers:
            X = layer.forward(X)
        return X
    def backward(self, grad_output, lr):
        for layer in {order}:
            grad_output = layer.backward(grad_output, lr)
        return grad_output
"""


def test_a_sequence_of_layers_without_a_loss_is_judged_as_a_layer(tmp_path: Path) -> None:
    code = BLOCKS.format(bias="error.sum(axis=0)") + SEQUENTIAL
    found = judged(tmp_path, code.format(order="reversed(self.layers)"))
    assert found.verdict == "right"
    assert "Sequential is put together as [Affine, Squash, Affine]" in found.notes
    turned = judged(tmp_path, code.format(order="self.layers"), name="turned.py")
    assert "Sequential: no way was found to make it and to train it, so it was not judged" in turned.notes


FUNCTIONS = """
def predict(network, x):
    for layer in network:
        x = layer.forward(x)
    return x
def train(network, loss, loss_prime, x_train, y_train, epochs=100, learning_rate=0.1, verbose=True):
    for e in range(epochs):
        for x, y in zip(x_train, y_train):
            grad = loss_prime(y, predict(network, x))
            for layer in reversed(network):
                grad = layer.backward(grad, learning_rate)
"""
LOSS = """
def mse(y, out):
    return np.mean((out - y) ** 2)
def mse_prime(y, out):
    return 2 * (out - y) / np.size(out)
"""


@pytest.mark.parametrize(("bias", "verdict"), [("error", "right"), ("0.5 * error", "no verdict")])
def test_functions_over_a_list_of_layers(tmp_path: Path, bias: str, verdict: str) -> None:
    (tmp_path / "blocks.py").write_text(BLOCKS.format(bias=bias) + LOSS, encoding="utf-8")
    found = judged(tmp_path, FUNCTIONS, name="network.py")
    assert found.verdict == verdict
    assert "put together as [Affine, Squash, Affine], mse; predict(X); train(x_train, y_train, " in found.notes


def test_layers_that_keep_their_gradients_in_a_dict_beside_that_of_their_parameters(tmp_path: Path) -> None:
    code = """
    class Linear:
        def __init__(self, n_in, n_out):
            self.params = {"w": np.random.randn(n_in, n_out), "b": np.random.randn(n_out)}
            self.grads = {}
        def forward(self, inputs):
            self.inputs = inputs
            return inputs @ self.params["w"] + self.params["b"]
        def backward(self, grad):
            self.grads["b"] = grad.sum(axis=0)
            self.grads["w"] = self.inputs.T @ grad
            return grad @ self.params["w"].T
    """
    sequence = SEQUENTIAL.replace(", lr", "").format(order="reversed(self.layers)")
    found = judged(tmp_path, dedent(code) + sequence)
    assert found.verdict == "right"
    assert "put together as [Linear, Linear]" in found.notes
