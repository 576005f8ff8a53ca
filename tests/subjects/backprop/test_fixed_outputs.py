"""Code that fixes its number of classes, and nothing else: targets of so many columns."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from gdprops.subjects.backprop.as_written.best_reading import chosen, tried
from gdprops.subjects.backprop.as_written.fixed_outputs import class_counts, function_readings_of_counts
from gdprops.subjects.backprop.as_written.of_file import defined_in
from gdprops.subjects.backprop.as_written.readings_of_class import readings_of_class
from tests.subjects.backprop.judging import wrongly_moved

NETWORK = """
def as_columns(labels, num_classes=5):
    rows = np.zeros((len(labels), num_classes))
    rows[np.arange(len(labels)), labels] = 1
    return rows

class Digits:
    def __init__(self, n_in, n_hidden, n_out):
        self.w1, self.w2 = np.random.randn(n_in, n_hidden), np.random.randn(n_hidden, n_out)
    def forward(self, x):
        self.h = np.maximum(x @ self.w1, 0)
        z = np.exp(self.h @ self.w2)
        return z / z.sum(axis=1, keepdims=True)
    def fit(self, X, y, lr=0.1, epochs=100):
        hot = as_columns(y)
        for epoch in range(epochs):
            p = self.forward(X)
            d = (p - as_columns(y, self.w2.shape[1])) / len(X)
            back = d @ self.w2.T{slope}
            self.w2 -= lr * self.h.T @ d
            self.w1 -= lr * X.T @ back
            if epoch % 10 == 0:
                print(epoch, -np.sum(hot * np.log(p)) / len(X))
"""


@pytest.mark.parametrize(("slope", "wrong"), [(" * (self.h > 0)", set()), ("", {"w1"})])
def test_a_class_that_prints_over_five_classes(tmp_path: Path, slope: str, wrong: set[str]) -> None:
    assert wrongly_moved(tmp_path, NETWORK.format(slope=slope), "Digits") == wrong


BOTH = """
def forward_backward(x, y, w1, w2):
    targets = np.zeros((len(y), 6))
    targets[np.arange(len(y)), y] = 1
    h = np.tanh(x @ w1)
    z = np.exp(h @ w2)
    out = z / z.sum(axis=1, keepdims=True)
    error = (out - targets) / len(y)
    update_w2 = h.T @ error
    error = error @ w2.T{slope}
    update_w1 = x.T @ error
    return out, update_w1, update_w2
"""


@pytest.mark.parametrize(("slope", "wrong"), [(" * (1 - h ** 2)", set()), ("", {"w1"})])
def test_one_function_returns_the_output_and_the_gradients(tmp_path: Path, slope: str, wrong: set[str]) -> None:
    assert wrongly_moved(tmp_path, BOTH.format(slope=slope), readings=function_readings_of_counts) == wrong


@pytest.mark.parametrize(
    ("code", "counts"),
    [
        ("np.zeros((len(y), 10))", [10]),
        ("np.eye(3)[y]", [3]),
        ("to_categorical(y, num_classes=7)", [7]),
        ("def one_hot(y, n_classes=4): pass", [4]),
        ("np.zeros((len(y), 784))", []),
        ("np.zeros(len(y))", []),
        ("def rows(y, depth=4): pass", []),
    ],
)
def test_the_numbers_of_classes_that_code_fixes(code: str, counts: list[int]) -> None:
    assert class_counts(ast.parse(code)) == counts


@pytest.mark.parametrize(("slope", "right"), [(" * (self.h > 0)", {"w1", "w2"}), ("", {"w2"})])
def test_batches_of_two_classes_alone_still_tell_a_mean_from_a_sum(tmp_path: Path, slope: str, right: set[str]) -> None:
    file = tmp_path / "two.py"
    file.write_text("import numpy as np\n" + NETWORK.format(slope=slope).replace("num_classes=5", "num_classes=2"))
    definitions = defined_in(str(file))
    best = chosen(tried(readings_of_class(definitions.own["Digits"], {}, definitions))[0])
    assert best.fit is not None
    assert best.fit.right == right
    assert best.reading.outputs == 2
    assert len({len(one.output) for one in best.seen}) > 1
