"""The lines of plain functions: a weight that is written, and read again by what goes back through it."""

from __future__ import annotations

from pathlib import Path

import pytest

import gdprops
from tests.subjects.backprop.judging import judged

LOSS = """import numpy as np

shapes = {shapes}

def loss(p, X, y):
    return 0.5 * np.sum((np.tanh(X @ p[{one}]) @ p[{two}] - y) ** 2)

def step(p, X, y, lr):
    h = np.tanh(X @ p[{one}])
    d = h @ p[{two}] - y
"""
OF_A_DICT, OF_A_LIST = (
    LOSS.format(shapes='{"W1": (2, 3), "W2": (3, 1)}', one='"W1"', two='"W2"'),
    LOSS.format(shapes="[(2, 3), (3, 1)]", one="0", two="1"),
)
IN_PLACE = """    p["W2"] -= lr * h.T @ d
    p["W1"] -= lr * X.T @ (d @ p["W2"].T * (1 - h**2))
"""
IN_A_LIST = IN_PLACE.replace('"W2"', "1").replace('"W1"', "0")
IN_VARIABLES = """    W1, W2 = p["W1"], p["W2"]
    W2 = W2 - lr * h.T @ d
    W1 = W1 - lr * X.T @ (d @ W2.T * (1 - h**2))
    return {"W1": W1, "W2": W2}
"""


@pytest.mark.parametrize(
    ("code", "name", "written"),
    [
        (OF_A_DICT + IN_PLACE, "W2", 11),
        (OF_A_LIST + IN_A_LIST, "params[1]", 11),
        (OF_A_DICT + IN_VARIABLES, "W2", 12),
    ],
    ids=["a dict in place", "a list in place", "new weights in variables"],
)
def test_where_a_weight_is_written_and_read_again(tmp_path: Path, code: str, name: str, written: int) -> None:
    file = tmp_path / "network.py"
    file.write_text(code)
    (violated,) = gdprops.check(str(file), clauses="step.simultaneous", examples=5, seed=0).violations
    assert violated.explanation is not None
    assert violated.explanation.startswith("the step uses the already updated weights of the next layer")
    told = [(place.text, place.line) for place in violated.places]
    assert told == [
        (f"{name} is written in line {written} and read again in line {written + 1}", written),
        (f"here {name} has moved", written + 1),
    ]


def test_where_a_gradient_is_added_to_those_of_the_earlier_steps(tmp_path: Path) -> None:
    file = tmp_path / "network.py"
    file.write_text("""import numpy as np

class Network:
    def __init__(self, n_in, n_out):
        self.W = np.random.randn(n_in, n_out)
        self.gW = np.zeros_like(self.W)

    def predict(self, X):
        return X @ self.W

    def train(self, X, y, lr):
        self.gW += X.T @ (self.predict(X) - y)
        self.W -= lr * self.gW
""")
    (violated,) = gdprops.check(str(file), clauses="step.fresh-gradient", examples=5, seed=0).violations
    told = [(place.text, place.line) for place in violated.places]
    assert told == [("the gradient is added to what self.gW holds already", 12)]


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
