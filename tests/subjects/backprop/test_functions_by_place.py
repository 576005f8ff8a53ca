"""Functions whose names tell little: what they are given is found by its place, or by what is left."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gdprops.subjects.backprop.as_written.function_parts import parts_of, pipelines
from gdprops.subjects.backprop.as_written.of_file import defined_in
from tests.subjects.backprop.judging import of_functions, wrongly_moved

LISTS = """
def forward(signal_in, W, b):
    acts = [signal_in]
    for k in range(len(W)):
        z = W[k] @ acts[-1] + b[k]
        acts.append(np.tanh(z) if k < len(W) - 1 else z)
    return acts

def backward(W, acts, y):
    dC_dW, dC_db = [None] * len(W), [None] * len(W)
    delta = acts[-1] - y
    for k in reversed(range(len(W))):
        dC_dW[k], dC_db[k] = np.outer(delta, acts[k]), delta
        delta = W[k].T @ delta{slope}
    return dC_dW, dC_db

def update_weights(W, dC_dW, lr):
    for k in range(len(W)):
        W[k] -= lr * dC_dW[k]

def update_biases(b, dC_db, lr):
    for k in range(len(b)):
        b[k] {sign}= lr * dC_db[k]
"""
SLOPE = " * (1 - acts[k] ** 2)"


@pytest.mark.parametrize(
    ("slope", "sign", "wrong"),
    [(SLOPE, "-", set()), ("", "-", {"W[0]", "b[0]"}), (SLOPE, "+", {"b[0]", "b[1]"})],
)
def test_lists_of_layers_that_two_functions_update(tmp_path: Path, slope: str, sign: str, wrong: set[str]) -> None:
    assert wrongly_moved(tmp_path, LISTS.format(slope=slope, sign=sign), readings=of_functions) == wrong


def test_updates_of_different_parameters_are_one_step(tmp_path: Path) -> None:
    file = tmp_path / "lists.py"
    file.write_text("import numpy as np\n" + LISTS.format(slope=SLOPE, sign="-"))
    found = next(pipelines(parts_of(defined_in(str(file)).own)))
    assert found.told == "forward(), backward(), update_weights(), update_biases()"


def _case(folder: Path, code: str) -> list[str]:
    """Return the lines of one step in the first reading of some functions."""
    file = folder / "case.py"
    file.write_text("import numpy as np\n" + code)
    reading = next(iter(of_functions(defined_in(str(file)))))
    params = {name: np.zeros(shape) for name, shape in reading.shapes(3, 4, 2).items()}
    return reading.script(params, np.ones((1, 3)), np.array([0]), 0.5)


def test_the_case_binds_the_lists(tmp_path: Path) -> None:
    found = "\n".join(_case(tmp_path, LISTS.format(slope=SLOPE, sign="-")))
    assert "W = [np.array(" in found
    assert "forward(signal_in=X, W=W, b=b)" in found


def test_the_case_makes_what_is_asked_for(tmp_path: Path) -> None:
    found = _case(tmp_path, WITH_LOSS.format(slope=""))
    assert "cache, _ = forward_loss(X=X, y=Y, weights=parameters)" in found
    assert "gradients = backward(X=X, y=Y, weights=parameters, cache=cache)" in found


NEURONS = """
import math, random
def make_weights(H, N, K):
    first = [[random.uniform(-1, 1) for _ in range(N + 1)] for _ in range(H)]
    second = [[random.uniform(-1, 1) for _ in range(H + 1)] for _ in range(K)]
    return first, second

def outputs_of(rows, inputs):
    inputs = [1.0] + list(inputs)
    return [1 / (1 + math.exp(-sum(w * x for w, x in zip(row, inputs)))) for row in rows]

def predict(hidden_rows, output_rows, inputs):
    return outputs_of(output_rows, outputs_of(hidden_rows, inputs))

def train(hidden_rows, output_rows, inputs, targets, learning_rate):
    hidden = outputs_of(hidden_rows, inputs)
    found = outputs_of(output_rows, hidden)
    errors = [(t - o) * o * (1 - o) for t, o in zip(targets, found)]
    back = [sum(row[k + 1] * e for row, e in zip(output_rows, errors)) for k in range(len(hidden))]
    for row, e in zip(output_rows, errors):
        for k, h in enumerate([1.0] + hidden):
            row[k] += learning_rate * e * h
    {late}
    for row, e, h in zip(hidden_rows, back, hidden):
        for k, x in enumerate([1.0] + list(inputs)):
            row[k] += learning_rate * e * h * (1 - h) * x
    return hidden_rows, output_rows
"""
AGAIN = "back = [sum(row[k + 1] * e for row, e in zip(output_rows, errors)) for k in range(len(hidden))]"


@pytest.mark.parametrize(("late", "wrong"), [("", set()), (AGAIN, {"hidden_rows"})])
def test_rows_that_are_made_under_other_names(tmp_path: Path, late: str, wrong: set[str]) -> None:
    assert wrongly_moved(tmp_path, NEURONS.format(late=late), readings=of_functions) == wrong


WITH_LOSS = """
def init_weights(sizes):
    return [np.random.randn(i, o) for i, o in zip(sizes[:-1], sizes[1:])]

def forward_loss(X, y, weights):
    h = np.tanh(X @ weights[0])
    p = np.exp(h @ weights[1])
    p = p / p.sum(axis=1, keepdims=True)
    cache = (h, p)
    return cache, -np.mean(np.log(p[np.arange(len(X)), y]))

def backward(X, y, weights, cache):
    h, p = cache
    d = p.copy()
    d[np.arange(len(X)), y] -= 1
    d /= len(X)
    return [X.T @ (d @ weights[1].T{slope}), h.T @ d]

def update(weights, grads, lr):
    return [w - lr * g for w, g in zip(weights, grads)]
"""


@pytest.mark.parametrize(("slope", "wrong"), [(" * (1 - h ** 2)", set()), ("", {"params[0]"})])
def test_a_forward_pass_that_needs_targets_and_returns_a_cache(tmp_path: Path, slope: str, wrong: set[str]) -> None:
    assert wrongly_moved(tmp_path, WITH_LOSS.format(slope=slope), readings=of_functions) == wrong
