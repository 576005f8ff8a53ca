"""Recurrent networks over a sequence: ``lossFun(inputs, targets, hprev)``, and classes with forward and backward."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gdprops.subjects.backprop.as_written.best_reading import tried
from gdprops.subjects.backprop.as_written.of_file import defined_in
from gdprops.subjects.backprop.as_written.sequence_globals import global_readings
from gdprops.subjects.backprop.as_written.sequences import object_readings
from tests.subjects.backprop.judging import judged

CHARACTERS = """
text = open('input.txt').read()
symbols = list(set(text))
vocab_size = len(symbols)
hidden_size = 100
Wxh = np.random.randn(hidden_size, vocab_size) * 0.01
Whh = np.random.randn(hidden_size, hidden_size) * 0.01
Why = np.random.randn(vocab_size, hidden_size) * 0.01
bh, by = np.zeros((hidden_size, 1)), np.zeros((vocab_size, 1))

def loss_fun(inputs, targets, hprev):
    xs, hs, ps = {}, {}, {}
    hs[-1] = np.copy(hprev)
    loss = 0
    for t in range(len(inputs)):
        xs[t] = np.zeros((vocab_size, 1))
        xs[t][inputs[t]] = 1
        hs[t] = np.tanh(Wxh @ xs[t] + Whh @ hs[t - 1] + bh)
        ys = Why @ hs[t] + by
        ps[t] = np.exp(ys) / np.sum(np.exp(ys))
        loss += -np.log(ps[t][targets[t], 0])
    dWxh, dWhh, dWhy = np.zeros_like(Wxh), np.zeros_like(Whh), np.zeros_like(Why)
    dbh, dby = np.zeros_like(bh), np.zeros_like(by)
    dhnext = np.zeros_like(hs[0])
    for t in reversed(range(len(inputs))):
        dy = np.copy(ps[t])
        dy[targets[t]] -= 1
        dWhy += dy @ hs[t].T
        dby += dy
        dh = (1 - hs[t] ** 2) * (Why.T @ dy + dhnext)
        dbh += dh
        dWxh += dh @ xs[t].T
        dWhh += dh @ hs[t - 1].T
        dhnext = Whh.T @ dh
    for d in (dWxh, dWhh, dWhy, dbh, dby):
        np.clip(d, -5, 5, out=d)
    return loss, dWxh, dWhh, dWhy, dbh, dby, hs[len(inputs) - 1]

while True:
    loss_fun([0, 1], [1, 0], np.zeros((hidden_size, 1)))
"""
OBJECT = """
class RNN:
    def __init__(self, input_size, hidden_size, output_size):
        self.hidden_size = hidden_size
        self.U = np.random.randn(hidden_size, input_size)
        self.W = np.random.randn(hidden_size, hidden_size)
        self.V = np.random.randn(output_size, hidden_size)
        self.mU = np.zeros_like(self.U)
    def forward(self, inputs, targets, h_prev):
        xs, hs, ps, loss = {}, {-1: h_prev}, {}, 0.0
        for t, k in enumerate(inputs):
            xs[t] = np.eye(self.U.shape[1])[:, [k]]
            hs[t] = np.tanh(self.U @ xs[t] + self.W @ hs[t - 1])
            ps[t] = np.exp(self.V @ hs[t])
            ps[t] /= ps[t].sum()
            loss -= np.log(ps[t][targets[t], 0])
        return xs, hs, ps, loss
    def backward(self, xs, hs, ps, targets):
        dU, dW, dV = np.zeros_like(self.U), np.zeros_like(self.W), np.zeros_like(self.V)
        dh_next = 0
        for t in reversed(range(len(targets))):
            dy = ps[t].copy()
            dy[targets[t]] -= 1
            dV += dy @ hs[t].T
            da = (1 - hs[t] ** 2) * (self.V.T @ dy + dh_next)
            dU += da @ xs[t].T
            dW += da @ hs[t - 1].T
            dh_next = self.W.T @ da
        return dU, dW, dV
"""


@pytest.mark.parametrize("code", [CHARACTERS, OBJECT], ids=["functions", "class"])
def test_a_recurrent_network_is_judged_by_the_loss_that_it_returns(tmp_path: Path, code: str) -> None:
    found = judged(tmp_path, code, examples=10)
    assert found.verdict == "right"
    assert "a sequence of numbers and the state before it" in found.notes


@pytest.mark.parametrize(
    ("code", "written", "instead", "wrong"),
    [
        (OBJECT, "dh_next = self.W.T @ da", "dh_next = self.W @ da", {"U", "W"}),
        (OBJECT, "dV += dy", "dV = dy", {"V"}),
        (CHARACTERS, "dh = (1 - hs[t] ** 2) * (", "dh = 1 * (", {"Wxh", "Whh", "bh"}),
        (CHARACTERS, "dby += dy", "dby += dy.sum()", {"by"}),
    ],
)
def test_a_wrong_gradient_over_a_sequence_is_found(
    tmp_path: Path, code: str, written: str, instead: str, wrong: set[str]
) -> None:
    (tmp_path / "net.py").write_text("import numpy as np\n" + code.replace(written, instead))
    definitions = defined_in(str(tmp_path / "net.py"))
    readings = object_readings(definitions.own["RNN"], {}) if code is OBJECT else global_readings(definitions)
    fit = tried(readings)[0][0].fit
    assert fit is not None
    assert set(fit.names) - fit.right == wrong


def test_a_case_of_a_sequence_is_written_so_that_it_runs(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text("import numpy as np\n" + CHARACTERS)
    definitions = defined_in(str(tmp_path / "net.py"))
    reading = next(global_readings(definitions))
    shapes = reading.shapes(3, 4, 3)
    params = {name: np.full(shape, 0.5) for name, shape in shapes.items()}
    lines = reading.script(params, np.eye(3), np.array([1, 2, 0]), 0.1)
    names = {"np": np, "loss_fun": definitions.own["loss_fun"]}
    exec("\n".join(lines), names)  # what a report prints
    assert lines[-1] == "loss, dWxh, dWhh, dWhy, dbh, dby, _ = loss_fun(inputs, targets, state)"
    assert names["loss"] == pytest.approx(reading.loss(params, np.eye(3), np.array([1, 2, 0])))  # type: ignore[misc]
