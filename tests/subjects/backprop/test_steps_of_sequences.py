"""Recurrent code whose backward pass gets an error: a matrix between two steps is judged over several steps."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.subjects.backprop.judging import judged, of_layers, wrongly_moved

LAYER = """
class Recurrent:
    def __init__(self, n_in, n_out):
        self.Wx, self.Wh, self.b = np.random.randn(n_in, n_out), np.random.randn(n_out, n_out), np.zeros(n_out)
    def forward(self, x):
        self.x, self.h = x, [np.zeros(len(self.b))]
        for row in x:
            self.h.append(np.tanh(row @ self.Wx + self.h[-1] @ self.Wh + self.b))
        return np.array(self.h[1:])
    def backward(self, dout, lr):
        dWx, dWh, db, dx, later = 0 * self.Wx, 0 * self.Wh, 0 * self.b, 0 * self.x, 0
        for t in reversed(range(len(self.x))):
            dz = (dout[t] + later) * (1 - self.h[t + 1] ** 2)
            dWx, dWh, db = dWx + np.outer(self.x[t], dz), dWh + np.outer(self.h[t], dz), db + dz
            dx[t], later = dz @ self.Wx.T, dz @ self.Wh.T
        self.Wx, self.Wh, self.b = self.Wx - lr * dWx, self.Wh - lr * dWh, self.b - lr * db
        return dx
"""


def test_a_layer_whose_rows_are_steps_is_judged_over_all_of_them(tmp_path: Path) -> None:
    assert judged(tmp_path, LAYER, examples=4).verdict == "right"
    wrong = LAYER.replace("dz @ self.Wh.T", "dz @ self.Wh")
    assert wrongly_moved(tmp_path, wrong, readings=of_layers) >= {"Recurrent.Wh", "Recurrent.x"}


LAST = """
class RNN:
    def __init__(self, input_size, output_size, hidden_size=64):
        self.Whh, self.Wxh = np.random.randn(hidden_size, hidden_size), np.random.randn(hidden_size, input_size)
        self.Why = np.random.randn(output_size, hidden_size)
        self.bh, self.by = np.zeros((hidden_size, 1)), np.zeros((output_size, 1))
    def forward(self, inputs):
        h = np.zeros((self.Whh.shape[0], 1))
        self.inputs, self.hs = inputs, [h]
        for x in inputs:
            h = np.tanh(self.Wxh @ x + self.Whh @ h + self.bh)
            self.hs.append(h)
        return self.Why @ h + self.by, h
    def backprop(self, d_y, learn_rate=0.02):
        dWhh, dWxh, dbh, dh = 0 * self.Whh, 0 * self.Wxh, 0 * self.bh, self.Why.T @ d_y
        dWhy, dby = d_y @ self.hs[-1].T, d_y.copy()
        for t in reversed(range(len(self.inputs))):
            dz = (1 - self.hs[t + 1] ** 2) * dh
            dbh, dWhh, dWxh = dbh + dz, dWhh + dz @ self.hs[t].T, dWxh + dz @ self.inputs[t].T
            dh = self.Whh.T @ dz
        for d in (dWhh, dWxh, dWhy, dbh, dby):
            np.clip(d, -1, 1, out=d)
        self.Whh, self.Wxh, self.Why = (
            self.Whh - learn_rate * dWhh, self.Wxh - learn_rate * dWxh, self.Why - learn_rate * dWhy
        )
        self.bh, self.by = self.bh - learn_rate * dbh, self.by - learn_rate * dby
"""


@pytest.mark.parametrize(("told", "change"), [("columns", ""), ("rows", "T")])
def test_a_sequence_with_one_output_at_its_end(tmp_path: Path, told: str, change: str) -> None:
    code = LAST.replace("for x in inputs:", "for x in (one.T for one in inputs):") if change else LAST
    code = (
        code.replace("self.inputs[t].T", "self.inputs[t]").replace("return self.Why", "return self.Why")
        if change
        else code
    )
    if change:
        code = code.replace("self.Why @ h + self.by, h", "(self.Why @ h + self.by).T, h").replace(
            "learn_rate=0.02):\n", "learn_rate=0.02):\n        d_y = d_y.T\n"
        )
    found = judged(tmp_path, code, examples=4)
    assert found.verdict == "right"
    assert f"one sequence of {told} at a time" in found.notes
    wrong = code.replace("dh = self.Whh.T @ dz", "dh = self.Whh @ dz")
    assert wrongly_moved(tmp_path, wrong, readings=of_layers) >= {"RNN.Wxh", "RNN.Whh", "RNN.bh"}


EVERY = """
class RNN:
    def __init__(self, input_dim, hidden_dim, output_dim):
        self.h, self.states = np.zeros(hidden_dim), []
        self.Wh, self.Wx = np.random.randn(hidden_dim, hidden_dim), np.random.randn(hidden_dim, input_dim)
        self.Wo = np.random.randn(output_dim, hidden_dim)
    def __call__(self, x):
        out = []
        for row in x:
            self.h = np.tanh(self.Wh @ self.h + self.Wx @ row)
            self.states.append(self.h)
            e = np.exp(self.Wo @ self.h)
            out.append(e / e.sum())
        return np.array(out), self.h
    def bptt(self, probs, targets, x, lr):
        dWh, dWx, dWo, later = 0 * self.Wh, 0 * self.Wx, 0 * self.Wo, 0
        probs[range(len(x)), targets] -= 1
        for t in reversed(range(len(x))):
            dz = (self.Wo.T @ probs[t] + later) * (1 - self.states[t] ** 2)
            dWo += np.outer(probs[t], self.states[t])
            dWx += np.outer(dz, x[t])
            if t:
                dWh += np.outer(dz, self.states[t - 1])
            later = self.Wh.T @ dz
        self.Wh, self.Wx, self.Wo = self.Wh - lr * dWh, self.Wx - lr * dWx, self.Wo - lr * dWo
        self.h, self.states = 0 * self.h, []
"""


def test_a_network_that_remembers_its_state_is_asked_anew_every_time(tmp_path: Path) -> None:
    assert judged(tmp_path, EVERY, examples=4).verdict == "right"
    assert wrongly_moved(tmp_path, EVERY.replace("self.Wh.T @ dz", "self.Wh @ dz"), "RNN") >= {"Wh", "Wx"}
