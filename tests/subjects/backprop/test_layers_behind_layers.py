"""Layers whose constructor takes the layer before them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.subjects.backprop.judging import of_layers, wrongly_moved

CODE = """
    class Dense:
        def __init__(self, units, prev_layer):
            self.units = units
            self.W, self.b = np.random.randn(prev_layer.units, units), np.zeros((1, units))

        def forward(self, x):
            self.x, self.out = x, np.tanh(x @ self.W + self.b)
            return self.out

        def backward(self, grad, lr):
            dz = grad * (1 - self.out ** 2)
            dx = dz @ self.W.T
            self.W -= lr * self.x.T @ dz
            self.b -= lr * dz.sum(axis=0, keepdims=True)
            return dx
"""


@pytest.mark.parametrize(("new", "wrong"), [("dz @", set()), ("grad @", {"Dense.x"})], ids=("right", "wrong"))
def test_a_layer_is_put_behind_another_one(tmp_path: Path, new: str, wrong: set[str]) -> None:
    assert wrongly_moved(tmp_path, CODE.replace("dx = dz @", f"dx = {new}"), readings=of_layers) == wrong
