"""A parameter counts at every size, though at sizes of 1 the output may not depend on it: softmax of one unit is 1."""

from __future__ import annotations

from pathlib import Path

from gdprops.kinds.resolve import resolve
from gdprops.model.backprop_layout import Layout
from gdprops.subjects.backprop.subject import Backprop

CODE = """
import numpy as np
class Net:
    def __init__(self, n_in, n_hidden, n_out):
        self.W1, self.W2 = np.random.randn(n_in, n_hidden), np.random.randn(n_hidden, n_out)
    def forward(self, X):
        e = np.exp(X @ self.W1)
        self.h = e / e.sum(axis=1, keepdims=True)
        return self.h @ self.W2
    def train(self, X, y, lr):
        d = self.forward(X) - y
        back = d @ self.W2.T
        back = self.h * (back - (back * self.h).sum(axis=1, keepdims=True))
        self.W2 -= lr * self.h.T @ d
        self.W1 -= lr * X.T @ back
"""


def test_weights_before_a_softmax_of_one_unit_are_parameters(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(CODE)
    subject = resolve(str(tmp_path / "net.py"))
    assert isinstance(subject, Backprop)
    layout = subject.functions.layout
    assert isinstance(layout, Layout)
    assert list(layout.shapes(2, 1, 1)) == ["W1", "W2"]
