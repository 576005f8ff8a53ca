"""A number of steps that the forward pass reads is that of a sequence, and no number of epochs."""

from __future__ import annotations

from pathlib import Path

import pytest

import gdprops
from gdprops.model.verdict import Status

RECURRENT = """\
import numpy as np

class RNN:
    def __init__(self, n_in, n_hidden, n_out):
        self.U = np.random.uniform(-0.4, 0.4, (n_in, n_hidden))
        self.W = np.random.uniform(-0.4, 0.4, (n_hidden, n_hidden))
        self.V = np.random.uniform(-0.4, 0.4, (n_hidden, n_out))
        self.steps = 3

    def cell(self, X, h):
        return np.tanh(X @ self.U + h @ self.W)

    def unroll(self, X):
        self.hs = [np.zeros((X.shape[0], self.W.shape[0]))]
        for _ in range(self.steps):
            self.hs.append(self.cell(X, self.hs[-1]))

    def forward(self, X):
        self.unroll(X)
        return self.hs[-1] @ self.V

    def train(self, X, y, lr=0.05):
        d = self.forward(X) - y
        dV = self.hs[-1].T @ d
        dU, dW = np.zeros_like(self.U), np.zeros_like(self.W)
        dh = d @ self.V.T
        for t in range(self.steps, 0, -1):
            dz = dh * (1 - self.hs[t] ** 2)
            dU += X.T @ dz
            dW += self.hs[t - 1].T @ dz
            dh = dz @ self.W.T
        self.U -= lr * dU
        self.W -= lr * dW
        self.V -= lr * dV
"""
EPOCHS = """\
import numpy as np

class Net:
    def __init__(self, n_in, n_hidden, n_out):
        self.W = np.random.randn(n_in, n_hidden)
        self.V = np.random.randn(n_hidden, n_out)
        self.steps = 500

    def forward(self, X):
        self.h = np.tanh(X @ self.W)
        return self.h @ self.V

    def run(self, X, y):
        for _ in range(self.steps):
            self.fit_once(X, y)

    def fit(self, X, y, lr=0.1):
        for _ in range(self.steps):
            self.fit_once(X, y, lr)

    def fit_once(self, X, y, lr=0.1):
        d = self.forward(X) - y
        back = X.T @ (d @ self.V.T * (1 - self.h**2))
        self.V -= lr * self.h.T @ d
        self.W -= lr * back
"""


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (RECURRENT, Status.HELD),
        (RECURRENT.replace("dW += ", "dW = "), Status.VIOLATED),
        (EPOCHS, Status.HELD),
    ],
    ids=["right", "assigned-at-every-time-step", "epochs"],
)
def test_time_steps_stay_and_epochs_are_one(tmp_path: Path, text: str, status: Status) -> None:
    file = tmp_path / "net.py"
    file.write_text(text, encoding="utf-8")
    report = gdprops.check(str(file), clauses="step.simultaneous", examples=5, seed=0)
    assert report["step.simultaneous"].status is status
