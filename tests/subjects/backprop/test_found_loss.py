"""The loss that nobody wrote down: right networks hold under it, or get no verdict, whatever they descend."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from gdprops.errors import UsageError
from gdprops.kinds.resolve import resolve
from gdprops.subjects.backprop.subject import Backprop

NET = """
import numpy as np
def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)
class Net:
    def __init__(self, n_in, n_hidden, n_out, lr=0.1):
        self.W1, self.b1 = np.random.randn(n_in, n_hidden), np.zeros(n_hidden)
        self.W2, self.b2 = np.random.randn(n_hidden, n_out), np.zeros(n_out)
        self.lr = lr
    def forward(self, X):
        self.h = np.tanh(X @ self.W1 + self.b1)
        z = self.h @ self.W2 + self.b2
        return {out}
    def train(self, X, y):
        a = self.forward(X)
        d = {delta}
        dh = d @ self.W2.T * (1 - self.h ** 2)
        self.W2 -= self.lr * (self.h.T @ d{l2}); self.b2 -= self.lr * d.sum(axis=0)
        self.W1 -= self.lr * (X.T @ dh{l1}); self.b1 -= self.lr * {b1}
"""
SIGMOID, SOFTMAX, LINEAR, TANH = "1 / (1 + np.exp(-z))", "softmax(z)", "z", "np.tanh(z)"
KNOWN = [
    (LINEAR, "a - y", "half the squared error, summed"),
    (LINEAR, "2 * (a - y) / a.size", "the squared error, averaged over all entries"),
    (SIGMOID, "(a - y) * a * (1 - a)", "half the squared error, summed"),
    (SIGMOID, "(a - y) / len(X)", "the binary cross-entropy, averaged over the rows"),
    (TANH, "(a - y) * (1 - a ** 2) / len(X)", "half the squared error, averaged over the rows"),
    (SOFTMAX, "a - y", "the cross-entropy, summed"),
    (SOFTMAX, "a * ((a - y) - ((a - y) * a).sum(1, keepdims=True))", "half the squared error, summed"),
]
UNKNOWN = [
    (LINEAR, "np.clip(a - y, -0.2, 0.2)"),  # Huber
    (LINEAR, "np.where(a * np.sign(y) < 1, -np.sign(y), 0.0)"),  # hinge
    (LINEAR, "np.sign(a - y)"),  # absolute
    (LINEAR, "np.tanh(a - y)"),  # log-cosh
    (SIGMOID, "(a - y) * np.abs(a - y) ** 2 * (1 + a * (1 - a))"),  # focal
    (TANH, "(a - y) ** 3 * (1 - a ** 2)"),  # fourth powers
]


def read(folder: Path, out: str, delta: str, *, l2: str = "", l1: str = "", b1: str = "dh.sum(axis=0)") -> Backprop:
    file = folder / "net.py"
    file.write_text(NET.format(out=out, delta=delta, l2=l2, l1=l1, b1=b1))
    found = resolve(str(file))
    assert isinstance(found, Backprop)
    return found


def told(subject: Backprop) -> str:
    return " | ".join(note.text for note in subject.notes)


@pytest.mark.parametrize(
    ("out", "delta", "name", "penalty"), [(*k, p) for k, p in itertools.product(KNOWN, (False, True))]
)
def test_a_known_loss_is_found_and_named(tmp_path: Path, out: str, delta: str, name: str, *, penalty: bool) -> None:
    more = {"l2": " + 0.02 * self.W2", "l1": " + 0.02 * self.W1"} if penalty else {}
    subject = read(tmp_path, out, delta, **more)
    assert not subject.barred
    assert f"no loss is declared: {name}, fits every parameter" in told(subject)
    assert ("with a penalty of 0.02/2 Σ W²" in told(subject)) == penalty


@pytest.mark.parametrize(("out", "delta"), UNKNOWN)
def test_an_unknown_loss_is_no_verdict_and_never_an_accusation(tmp_path: Path, out: str, delta: str) -> None:
    assert read(tmp_path, out, delta).barred.startswith("no verdict: ")


@pytest.mark.parametrize(("out", "delta", "name"), KNOWN)
def test_one_wrong_bias_leaves_the_loss_to_the_output_matrix(tmp_path: Path, out: str, delta: str, name: str) -> None:
    subject = read(tmp_path, out, delta, b1="dh.sum()")
    assert not subject.barred
    assert f"no loss is declared: {name}, fits the output weights" in told(subject)


def test_a_slope_that_is_missing_at_the_output_is_asked_about(tmp_path: Path) -> None:
    assert read(tmp_path, TANH, "a - y").barred == (
        "no verdict: no loss fits; the squared error would, if the derivative of tanh at the output were not missing. "
        "Is that meant?"
    )


def test_the_error_that_a_file_computes_is_compared(tmp_path: Path) -> None:
    file = tmp_path / "net.py"
    code = NET.format(out=SIGMOID, delta="a - y", l2="", l1="", b1="dh.sum(axis=0)")
    file.write_text(code + "    def error(self, X, y):\n        return np.mean((self.forward(X) - y) ** 2)\n")
    (note,) = [n for n in resolve(str(file)).notes if n.line is not None]  # type: ignore[attr-defined]
    assert note.text == "the training descends the binary cross-entropy, and this line computes the squared error"
    assert note.line == len(code.splitlines()) + 2


def test_a_method_that_sets_a_mode_is_no_training(tmp_path: Path) -> None:
    file = tmp_path / "net.py"
    code = NET.format(out=LINEAR, delta="a - y", l2="", l1="", b1="dh.sum(axis=0)").partition("    def train(")[0]
    file.write_text(code + "    def train(self):\n        self.training = True\n")
    with pytest.raises(UsageError, match="no way was found to ask it for its output and to train it"):
        resolve(str(file))


def test_a_gradient_that_is_divided_by_the_rows_twice_is_asked_about(tmp_path: Path) -> None:
    """Dense layers and a loss that both take a mean: the direction is right, and the rate falls with the rows."""
    code = """
class Net:
    def __init__(self, n_in, n_hidden, n_out):
        self.W1, self.W2 = np.random.randn(n_in, n_hidden), np.random.randn(n_hidden, n_out)
    def forward(self, X):
        self.h = np.tanh(X @ self.W1)
        return self.h @ self.W2
    def train(self, X, y, lr):
        n = len(X)
        d = (self.forward(X) - y) / n
        dh = d @ self.W2.T * (1 - self.h ** 2)
        self.W2 -= lr * self.h.T @ d / n
        self.W1 -= lr * X.T @ dh / n
"""
    (tmp_path / "net.py").write_text(f"import numpy as np\n{code}", encoding="utf-8")
    subject = resolve(str(tmp_path / "net.py"))
    assert isinstance(subject, Backprop)
    assert "divided by the number of rows twice" in subject.barred
