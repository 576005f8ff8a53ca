"""Backward passes that are handed the derivative by what stands before a softmax or sigmoid at the end."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.subjects.backprop.judging import judged, of_layers, wrongly_moved

TWO_LAYERS = """
class Mlp:
    def __init__(self, input_size=5, hidden_size=4, output_size=3):
        self.w1 = np.random.randn(input_size, hidden_size)
        self.b1 = np.zeros((1, hidden_size))
        self.w2 = np.random.randn(hidden_size, output_size)
        self.b2 = np.zeros((1, output_size))
        self.learning_rate = 0.1
    def forward(self, x):
        self.a1 = np.tanh(x @ self.w1 + self.b1)
        z = self.a1 @ self.w2 + self.b2
        self.out = {out}
        return self.out
    def backward(self, x, dout):
        dz1 = dout @ self.w2.T * {slope}
        self.w2 -= self.learning_rate * self.a1.T @ dout
        self.b2 -= self.learning_rate * dout.sum(axis=0, keepdims=True)
        self.w1 -= self.learning_rate * x.T @ dz1
        self.b1 -= self.learning_rate * dz1.sum(axis=0, keepdims=True)
"""
SOFTMAX = "np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)"
SIGMOID = "1 / (1 + np.exp(-z))"


@pytest.mark.parametrize("out", [SOFTMAX, SIGMOID])
def test_a_network_that_leaves_the_end_to_its_loss_is_right(tmp_path: Path, out: str) -> None:
    code = TWO_LAYERS.format(out=out, slope="(1 - self.a1 ** 2)")
    assert wrongly_moved(tmp_path, code, readings=of_layers) == set()


def test_a_hidden_slope_that_is_forgotten_is_wrong_all_the_same(tmp_path: Path) -> None:
    code = TWO_LAYERS.format(out=SOFTMAX, slope="1")
    assert wrongly_moved(tmp_path, code, readings=of_layers) >= {"Mlp.w1", "Mlp.b1"}


ONE_LAYER = """
class Dense:
    def __init__(self, n_in, n_out):
        self.w = np.random.randn(n_in, n_out)
    def forward(self, x):
        self.x, z = x, x @ self.w
        self.out = {out}
        return self.out
    def backward(self, dout, lr):
        back = dout @ self.w.T
        self.w -= lr * self.x.T @ dout
        return back
class Scale:
    def __init__(self, n_in, n_out):
        self.w = np.random.randn(n_in, n_out)
    def forward(self, x):
        self.x = x
        return x @ self.w
    def backward(self, dout, lr):
        back = dout @ self.w.T
        self.w -= lr * self.x.T @ dout
        return back
"""


def test_a_single_layer_may_leave_its_softmax_to_its_loss_and_no_sigmoid(tmp_path: Path) -> None:
    softmax = judged(tmp_path, ONE_LAYER.format(out=SOFTMAX))
    assert softmax.verdict == "right"
    assert "Dense is right for the derivative by what stands before its softmax" in softmax.notes
    assert "Dense.w" in wrongly_moved(tmp_path, ONE_LAYER.format(out=SIGMOID), readings=of_layers)
