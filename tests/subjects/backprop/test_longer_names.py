"""Methods whose names hold a known word among others, and a file that forgets to import NumPy."""

from __future__ import annotations

from pathlib import Path

import pytest

from gdprops.errors import UsageError
from gdprops.kinds.resolve import resolve
from gdprops.subjects.backprop.as_written.roles import FORWARD, FORWARD_WORDS, TRAIN, TRAIN_WORDS, named
from gdprops.subjects.backprop.subject import Backprop
from tests.subjects.backprop.judging import judged

CODE = """
class Net:
    def __init__(self, sizes):
        self.weights = [np.random.randn(a, b) for a, b in zip(sizes, sizes[1:])]
    def feed_through(self, X):
        self.h = np.tanh(X @ self.weights[0])
        return self.h @ self.weights[1]
    def check_gradients(self, X, y):
        return None
    def backprop_with_sgd(self, X, y, LEARNINGRATE=0.1):
        d = self.feed_through(X) - y
        back = d @ self.weights[1].T * {slope}
        self.weights[1] -= LEARNINGRATE * self.h.T @ d
        self.weights[0] -= LEARNINGRATE * X.T @ back
"""


def test_methods_with_longer_names(tmp_path: Path) -> None:
    found = judged(tmp_path, CODE.format(slope="(1 - self.h ** 2)"), examples=4)
    assert found.verdict == "right"
    assert "feed_through(X), backprop_with_sgd(X, y, LEARNINGRATE)" in found.notes


def test_a_wrong_method_with_a_longer_name(tmp_path: Path) -> None:
    found = judged(tmp_path, CODE.format(slope="(1 - self.h)"), examples=4)
    assert found.verdict == "wrong"
    assert "weights[0]" in found.told
    assert found.lines == (13,)


@pytest.mark.parametrize(("slope", "verdict"), [("(1 - self.h ** 2)", "right"), ("(1 - self.h)", "wrong")])
def test_a_method_that_updates_by_samples_and_targets_trains(slope: str, verdict: str, tmp_path: Path) -> None:
    code = CODE.format(slope=slope).replace("backprop_with_sgd", "update").replace("feed_through", "forward")
    assert judged(tmp_path, code, examples=4).verdict == verdict


def test_a_method_that_updates_by_something_else_does_not(tmp_path: Path) -> None:
    code = CODE.format(slope="1").replace("backprop_with_sgd(self, X, y, ", "update(self, state, action, ")
    (tmp_path / "net.py").write_text(code.replace("(X) - y", "(state) - action").replace("X.T", "state.T"))
    with pytest.raises(UsageError):
        resolve(str(tmp_path / "net.py"))


def test_longer_names_count_only_where_there_is_no_known_one() -> None:
    defined = ["__init__", "feed_it", "predict_all", "train_with_adam", "loss"]
    assert named(defined, FORWARD, FORWARD_WORDS) == ["loss"]
    assert named(defined[:-1], FORWARD, FORWARD_WORDS) == ["feed_it", "predict_all"]
    assert named(defined, TRAIN, TRAIN_WORDS) == ["train_with_adam"]
    assert named([*defined, "fit"], TRAIN, TRAIN_WORDS) == ["fit"]


def test_numpy_that_nobody_imports_is_told(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(CODE.format(slope="(1 - self.h ** 2)"))
    subject = resolve(str(tmp_path / "net.py"))
    assert isinstance(subject, Backprop)
    assert "np is used and never imported: it is NumPy here" in [note.text for note in subject.notes]
