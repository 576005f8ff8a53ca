"""The question that all this began with, asked of the optimizers of TensorFlow and Keras."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest

import gdprops
from gdprops.errors import UsageError
from gdprops.kinds.resolve import resolve

tensorflow = pytest.importorskip("tensorflow")
GRADIENT_DESCENT = "tensorflow.compat.v1.train:GradientDescentOptimizer"
STEPS = ("step.simultaneous", "step.plain", "step.moves-all", "optimizer.resume", "published.*")


@pytest.mark.parametrize(
    ("spec", "rule"),
    [
        (GRADIENT_DESCENT, "sgd"),
        ("keras.optimizers:SGD", "sgd"),
        pytest.param("keras.optimizers:Adam", "adam:epsilon-hat+decoupled", marks=pytest.mark.nightly),
        ("tensorflow.compat.v1.train:AdamOptimizer", "adam:epsilon-hat"),
    ],
)
def test_it_holds(spec: str, rule: str) -> None:
    subject = resolve(spec, rule=rule, hyperparameters={"learning_rate": 0.125})
    clauses = [c for c in STEPS if rule == "sgd" or c != "step.plain"]
    report = gdprops.check(subject, clauses=clauses, examples=6, seed=0, timeout=600)
    assert report.exit_code == 0, str(report)
    assert [v.status for v in report.verdicts if v.about == "subject"] == ["held"] * len(clauses)


def test_a_rate_that_is_stored_in_float32_is_compared_as_that() -> None:
    subject = resolve(GRADIENT_DESCENT, rule="sgd", hyperparameters={"learning_rate": 0.1})
    report = gdprops.check(subject, clauses=["step.plain", "published.sgd"], examples=10, seed=0, timeout=600)
    assert report.exit_code == 0, str(report)


@pytest.mark.nightly  # a minute; optax's other rule is named by day
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


def test_an_optimizer_of_keras_is_not_one_of_torch() -> None:
    import keras

    for given in (keras.optimizers.SGD, keras.optimizers.SGD(0.1), "keras.optimizers:SGD"):
        with pytest.raises(UsageError) as told:
            gdprops.optimizer(given, learning_rate=0.1)
        assert str(told.value) == (
            "optimizer: SGD belongs to keras; expected torch "
            "(a subject string such as keras.optimizers:SGD is checked by its own framework)"
        )


@pytest.mark.parametrize(
    ("backend", "code", "said"),
    [
        ("torch", 0, ": 1 clause held"),
        ("caffe", 2, "keras cannot be imported: Unable to import backend : caffe"),
    ],
)
def test_keras_on_another_backend_is_a_process_of_its_own(backend: str, code: int, said: str) -> None:
    asked = ["check", "keras.optimizers:SGD", "-p", "learning_rate=0.125", "--clauses", "step.plain", "--examples", "3"]
    done = subprocess.run(
        [sys.executable, "-m", "gdprops", *asked, "--rule", "sgd"],
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code
    assert said in done.stdout + done.stderr


@pytest.mark.parametrize("framework", ["keras", "tensorflow"])
def test_keras_and_tensorflow_have_the_other_dialect_of_adam(framework: str) -> None:
    from gdprops.runner.dialect_measurements import IMPLEMENTATIONS, dialects_of

    spec, given = IMPLEMENTATIONS[framework]["adam"]
    assert dialects_of(spec, "adam", given) == ("epsilon-hat",)
