"""A training method that loops over mini-batches: judged where one call trains on several of them."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import pytest

from gdprops.kinds.resolve import resolve
from gdprops.runner.session import check_subject
from gdprops.runner.settings import Settings

CLASS = """import numpy as np


class Net:
    def __init__(self, n_in, n_hidden, n_out):
        self.W1 = np.random.randn(n_in, n_hidden)
        self.W2 = np.random.randn(n_hidden, n_out)

    def forward(self, X):
        self.h = np.tanh(X @ self.W1)
        return self.h @ self.W2

    def backprop(self, X, y):
        d = self.forward(X) - y
        return X.T @ (d @ self.W2.T * (1 - self.h**2)), self.h.T @ d

    def train(self, X, y, lr=0.01, epochs=1, batch_size=2):
        v1, v2 = np.zeros_like(self.W1), np.zeros_like(self.W2)
        for _ in range(epochs):
            order = {order}
            for start in range(0, len(X), batch_size):
                rows = order[start : start + batch_size]
                d1, d2 = self.backprop(X[rows], y[rows])
                v1, v2 = {kept} * v1 + d1, {kept} * v2 + d2
                self.W1 -= lr * v1
                self.W2 -= lr * v2
"""
ORDERS = {"in order": "np.arange(len(X))", "shuffled": "np.random.permutation(len(X))"}


def _checked(tmp_path: Path, order: str, kept: str) -> tuple[str, str, str]:
    """Return status, explanation and script of step.fresh-gradient."""
    path = tmp_path / "net.py"
    path.write_text(CLASS.format(order=ORDERS[order], kept=kept), encoding="utf-8")
    outcome = check_subject(
        resolve(str(path)),
        clauses="step.fresh-gradient",
        settings=Settings(seed=0, examples=8, counterexamples=str(tmp_path)),
    )
    (verdict,) = outcome.verdicts
    script = "" if verdict.counterexample is None else verdict.counterexample.python
    return verdict.status.value, verdict.explanation or "", script


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kept", ["0", "0.5"], ids=["plain", "momentum"])
def test_mini_batches_that_are_right_are_not_accused(order: str, kept: str, tmp_path: Path) -> None:
    assert _checked(tmp_path, order, kept)[0] == "held"


@pytest.mark.parametrize("order", ORDERS)
def test_gradients_that_add_up_over_mini_batches_are_found(order: str, tmp_path: Path) -> None:
    status, explanation, script = _checked(tmp_path, order, "1")
    assert status == "violated"
    assert "the gradient is added to those of the earlier steps" in explanation
    assert "net.train(X, y, 0.5, 1, 1)" in script


def test_the_script_of_such_a_case_gives_what_was_seen(tmp_path: Path) -> None:
    script = _checked(tmp_path, "in order", "1")[2]
    with contextlib.redirect_stdout(io.StringIO()):
        exec(script, said := dict[str, object]())
    net = said["net"]
    told = f"W1 [{float(net.W1.ravel()[0]):.9g}], W2 [{float(net.W2.ravel()[0]):.9g}]"  # type: ignore[attr-defined]
    assert f"# seen:     {told}" in script
