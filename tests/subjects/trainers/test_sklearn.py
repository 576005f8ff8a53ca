"""``--as sklearn``: ``partial_fit`` of estimators that descend a gradient, and what a derived class does wrong."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

import gdprops
from gdprops.errors import UsageError
from gdprops.kinds.resolve import resolve
from gdprops.subjects.user_code import framework_names
from tests.subjects.trainers.loops import SECONDS

needs_sklearn = pytest.mark.skipif(find_spec("sklearn") is None, reason="scikit-learn is an extra (tox -e sklearn)")

FILE = """
import numpy as np
from sklearn.linear_model import Perceptron, SGDRegressor
from sklearn.neural_network import MLPRegressor
"""
DESCENT = {"solver": "sgd", "hidden_layer_sizes": 4, "learning_rate_init": 0.1, "momentum": 0.0}
ONE_LAYER = ["step.moves-all", "step.fresh-gradient", "step.once", "step.complete", "step.loss-falls"]


def _checked(spec: str, *, clauses: str = "*", **given: Any) -> Any:
    subject = resolve(spec, kind="sklearn", hyperparameters=given)
    return gdprops.check(subject, clauses=clauses, examples=12, seed=0, timeout=SECONDS)


def _report(folder: Path, changed: str, *, clauses: str = "*", **given: Any) -> Any:
    """Return the report of a class ``Changed`` that a test derives from an estimator."""
    file = folder / "train.py"
    file.write_text(FILE + dedent(changed))
    return _checked(f"{file}:Changed", clauses=clauses, **given)


def _held(report: Any) -> list[str]:
    return [v.clause for v in report.verdicts if v.about == "subject" and v.status == "held"]


def _violated(report: Any, clause: str) -> Any:
    (found,) = [v for v in report.verdicts if v.clause == clause]
    assert found.status == "violated", str(report)
    return found


@needs_sklearn
@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("SGDRegressor", {}),
        ("SGDRegressor", {"loss": "huber", "learning_rate": "constant", "alpha": 0.1}),
        ("SGDRegressor", {"loss": "epsilon_insensitive", "fit_intercept": False, "penalty": None}),
        ("SGDClassifier", {}),
        ("SGDClassifier", {"loss": "log_loss", "alpha": 0.05}),
    ],
)
def test_sgd_estimators_hold_row_by_row(name: str, given: dict[str, Any]) -> None:
    report = _checked(f"sklearn.linear_model:{name}", **given)
    assert set(ONE_LAYER) <= set(_held(report)), str(report)
    assert report.ok
    told = " ".join(str(report).split())
    assert "partial_fit makes one update per row, in shuffled order, so that it is given one row per call" in told


@needs_sklearn
@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("MLPRegressor", {}),
        ("MLPRegressor", {"solver": "sgd", "learning_rate": "invscaling", "alpha": 0.5, "activation": "tanh"}),
        ("MLPClassifier", {"hidden_layer_sizes": [4, 3], "activation": "logistic"}),
        ("MLPClassifier", {**DESCENT, "alpha": 0.5}),
    ],
)
def test_perceptrons_hold(name: str, given: dict[str, Any]) -> None:
    report = _checked(f"sklearn.neural_network:{name}", **given)
    assert {*ONE_LAYER, "step.simultaneous"} <= set(_held(report)), str(report)
    assert "partial_fit makes one update of solver" in " ".join(str(report).split())


@needs_sklearn
def test_gradients_that_are_never_cleared(tmp_path: Path) -> None:
    changed = """
    class Changed(MLPRegressor):
        def _backprop(self, *args):
            loss, *grads = super()._backprop(*args)
            held = getattr(self, "held", None) if self.t_ else None
            self.held = grads if held is None else [[g + h for g, h in zip(*pair)] for pair in zip(grads, held)]
            return loss, *[[g.copy() for g in one] for one in self.held]
    """
    found = _violated(_report(tmp_path, changed, clauses="step.fresh-gradient", **DESCENT), "step.fresh-gradient")
    assert found.explanation == "the gradient is added to those of the earlier steps (no zero_grad)"


@needs_sklearn
def test_layer_by_layer(tmp_path: Path) -> None:
    changed = """
    class Changed(MLPRegressor):
        def partial_fit(self, X, y):
            if not hasattr(self, "coefs_"):
                return super().partial_fit(X, y)
            for one in (0, 1):
                other = self.coefs_[1 - one].copy(), self.intercepts_[1 - one].copy()
                super().partial_fit(X, y)
                self.coefs_[1 - one][...], self.intercepts_[1 - one][...] = other
            return self
    """
    found = _violated(_report(tmp_path, changed, clauses="step.simultaneous", **DESCENT), "step.simultaneous")
    assert found.explanation.startswith("layer by layer, first layer first: each layer's gradient is taken after the ")


@needs_sklearn
def test_a_rate_that_is_not_the_documented_one(tmp_path: Path) -> None:
    changed = """
    class Changed(SGDRegressor):
        def partial_fit(self, X, y):
            self.eta0 *= 2
            super().partial_fit(X, y)
            self.eta0 /= 2
            return self
    """
    found = _violated(_report(tmp_path, changed, clauses="step.simultaneous"), "step.simultaneous")
    assert found.explanation == "the gradient is doubled"


@needs_sklearn
def test_parameters_that_do_not_train(tmp_path: Path) -> None:
    changed = """
    class Changed(MLPRegressor):
        def partial_fit(self, X, y):
            held = [b.copy() for b in getattr(self, "intercepts_", [])]
            super().partial_fit(X, y)
            for b, h in zip(self.intercepts_, held):
                b[...] = h
            return self
    """
    found = _violated(_report(tmp_path, changed, clauses="step.moves-all", **DESCENT), "step.moves-all")
    assert set(found.blame) == {"layer0.intercept", "layer1.intercept"}


@needs_sklearn
@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        (
            "Perceptron",
            {},
            "makes a Perceptron; expected SGDRegressor, SGDClassifier, MLPRegressor or MLPClassifier, whose "
            "partial_fit takes gradient steps",
        ),
        (
            "SGDRegressor",
            {"penalty": "l1"},
            "partial_fit with penalty='l1' is no plain gradient step of a loss that gdprops can write down",
        ),
        (
            "MLPRegressor",
            {"batch_size": 2},
            "partial_fit with batch_size=2 is no plain gradient step of a loss that gdprops can write down",
        ),
        ("SGDRegressor", {"alfa": 1}, "takes 'alfa'; did you mean 'alpha'?"),
        ("FILE", {}, "is a str; expected an estimator class, or a function that makes one"),
    ],
)
def test_what_cannot_be_used_is_one_line(tmp_path: Path, name: str, given: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as told:
        _report(tmp_path, f"FILE = 'x'\nChanged = {name}", **given)
    assert said in str(told.value)


@needs_sklearn
def test_rows_of_ones_own(tmp_path: Path) -> None:
    changed = """
    Changed = SGDRegressor

    def rows(index):
        x = np.linspace(-1, 1, 8).reshape(4, 2) + index
        return x, x[:, 0] - 2 * x[:, 1]
    """
    report = _report(tmp_path, changed, clauses="step.once", batches=f"{tmp_path / 'train.py'}:rows")
    assert _held(report) == ["step.once"]


def test_a_missing_extra_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(framework_names, "find_spec", lambda name: None)
    with pytest.raises(UsageError) as told:
        resolve("torch.optim:SGD", kind="sklearn")
    assert str(told.value) == "sklearn is not installed: python -m pip install 'gdprops[sklearn]'"
