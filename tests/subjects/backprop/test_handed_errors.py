"""Networks whose backward pass is handed the error at the output: ``net.backward(output - target)``."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.subjects.backprop.judging import judged, wrongly_moved

HANDED = """
class Dense:
    def __init__(self, n_in, n_out):
        self.w, self.b = np.random.randn(n_in, n_out), np.zeros((1, n_out))
    def forward(self, x):
        self.x = x
        return x @ self.w + self.b
    def backward(self, d):
        self.dw, self.db = self.x.T @ d, d.{of_rows}(axis=0, keepdims=True)
        return d @ self.w.T
class Tanh:
    def forward(self, x):
        self.out = np.tanh(x)
        return self.out
    def backward(self, d):
        return d * (1 - self.out ** 2)
class Network:
    def __init__(self, layers):
        self.layers = layers
    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x
    def backward(self, {name}):
        for layer in reversed(self.layers):
            {name} = layer.backward({name})
    def step(self, lr):
        for layer in self.layers:
            if hasattr(layer, "w"):
                layer.w {sign}= lr * layer.dw
                layer.b {sign}= lr * layer.db
"""


@pytest.mark.parametrize(("name", "sign"), [("dvalues", "-"), ("error", "+")])
def test_the_error_at_the_output_is_handed_over(tmp_path: Path, name: str, sign: str) -> None:
    found = judged(tmp_path, HANDED.format(name=name, sign=sign, of_rows="sum"))
    assert found.verdict == "right"
    assert ("target - output" if sign == "+" else "output - target") in found.notes


def test_biases_that_are_averaged_are_wrong_there(tmp_path: Path) -> None:
    code = HANDED.format(name="loss_grad", sign="-", of_rows="mean")
    assert wrongly_moved(tmp_path, code, "Network") == {"layers[0].b", "layers[2].b"}
