"""The question that all this began with, asked of TensorFlow and Keras; their layer-by-layer trainer is caught."""

from __future__ import annotations

from typing import Any

import pytest

import gdprops
from gdprops.adapters.resolve import resolve
from gdprops.errors import UsageError
from tests.frameworks import trainers

tensorflow = pytest.importorskip("tensorflow")
GRADIENT_DESCENT = "tensorflow.compat.v1.train:GradientDescentOptimizer"
STEPS = ("step.simultaneous", "step.plain", "step.moves-all", "optimizer.resume", "published.*")


@pytest.mark.parametrize(
    ("spec", "rule"),
    [
        (GRADIENT_DESCENT, "sgd"),
        ("keras.optimizers:SGD", "sgd"),
        ("keras.optimizers:Adam", "adam:epsilon-hat+decoupled"),
        ("tensorflow.compat.v1.train:AdamOptimizer", "adam:epsilon-hat"),
    ],
)
def test_it_holds(spec: str, rule: str) -> None:
    subject = resolve(spec, rule=rule, hyperparameters={"learning_rate": 0.125})
    clauses = [c for c in STEPS if rule == "sgd" or c != "step.plain"]
    report = gdprops.check(subject, clauses=clauses, examples=8, seed=0, timeout=600)
    assert report.exit_code == 0, str(report)
    assert [v.status for v in report.verdicts if v.about == "subject"] == ["held"] * len(clauses)


def test_a_rate_that_is_stored_in_float32_is_compared_as_that() -> None:
    subject = resolve(GRADIENT_DESCENT, rule="sgd", hyperparameters={"learning_rate": 0.1})
    report = gdprops.check(subject, clauses=["step.plain", "published.sgd"], examples=10, seed=0, timeout=600)
    assert report.exit_code == 0, str(report)


def test_the_other_dialect_is_named() -> None:
    subject = resolve("keras.optimizers:Adam", rule="adam", hyperparameters={"learning_rate": 0.125})
    (verdict,) = gdprops.check(subject, clauses="published.*", examples=5, seed=0, timeout=600).verdicts
    assert verdict.status == "violated"
    assert verdict.explanation is not None
    assert verdict.explanation.startswith("what it does instead: ε stands beside the uncorrected root (ε-hat)")


@pytest.mark.parametrize(
    ("spec", "given", "message"),
    [
        (GRADIENT_DESCENT, {}, "needs its learning rate: -p learning_rate=0.1"),
        ("keras.optimizers:SGB", {}, "keras.optimizers has no 'SGB'; did you mean 'SGD'"),
        ("keras.layers:Dense", {}, "is no optimizer class of Keras or TensorFlow 1, and no optax transformation"),
        ("keras.optimizers:SGD", {"momentum": 2.0}, r"cannot be built: ValueError: .*momentum"),
    ],
)
def test_what_is_no_optimizer_is_refused_in_one_line(spec: str, given: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        resolve(spec, hyperparameters=given)


def trainer(step: Any) -> Any:
    return gdprops.backprop(trainers.loss_in_tensorflow, step, shapes=trainers.SHAPES)


def test_the_layer_by_layer_trainer_is_caught_and_explained() -> None:
    sweeping = trainer(trainers.trains_layer_by_layer_in_tensorflow)
    report = gdprops.check(sweeping, clauses="step.simultaneous", examples=2, seed=0, timeout=600)
    (verdict,) = (v for v in report.verdicts if v.about == "subject")
    assert verdict.status == "violated"
    assert set(verdict.blame) <= {"W2", "b2"}
    assert verdict.explanation is not None


def test_the_simultaneous_trainer_holds() -> None:
    together = trainer(trainers.trains_all_at_once_in_tensorflow)
    report = gdprops.check(together, clauses="step.simultaneous", examples=2, seed=0, timeout=600)
    assert report.exit_code == 0, str(report)


@pytest.mark.parametrize("framework", ["keras", "tensorflow"])
def test_keras_and_tensorflow_have_the_other_dialect_of_adam(framework: str) -> None:
    from gdprops.runner.dialects import IMPLEMENTATIONS, dialects_of

    spec, given = IMPLEMENTATIONS[framework]["adam"]
    assert dialects_of(spec, "adam", given) == ("epsilon-hat",)
