"""The line in which an error is computed, where no value of the step is known to be right: found by names."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.subjects.backprop.judging import judged

CALLED = """
def slope_of(z):
    z[z <= 0] = 0
    z[z > 0] = 1
    return z

class Net:
    def __init__(self, n_in, n_hidden, n_out):
        sizes = (n_in, n_hidden, n_hidden, n_out)
        self.w = [np.random.randn(o, i) for i, o in zip(sizes, sizes[1:])]

    def forward(self, x):
        zs = []
        for w in self.w:
            zs.append(w @ x)
            x = np.maximum(zs[-1], 0)
        return x, zs

    def fit(self, x, y, lr, epochs):
        for epoch in range(epochs):
            back = self.backprop(x, y)
            grads = back[0]
            for k in range(3):
                self.w[k] = self.w[k] - lr * grads[k]

    def backprop(self, x, y):
        out, zs = self.forward(x)
        grads = []
        err = (out - y) * slope_of(zs[-1])
        for k in (2, 1, 0):
            a = np.maximum(zs[k - 1], 0) if k else x
            grads.insert(0, err @ a.T)
            w_t = self.w[k].T
            err = w_t @ err * a
        return grads, out
"""
WRONG = "            err = w_t @ err * a"


@pytest.mark.nightly
def test_a_line_that_only_calls_is_not_where_an_error_is_computed(tmp_path: Path) -> None:
    found = judged(tmp_path, CALLED, examples=3)
    assert found.verdict == "wrong"
    assert found.lines == ((tmp_path / "net.py").read_text().splitlines().index(WRONG) + 1,)
