"""Without a framework: one line that names the extra; and importing gdprops imports none of them."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType, SimpleNamespace

import pytest
import torch

import gdprops
from gdprops.errors import UsageError
from gdprops.kinds.resolve import resolve
from gdprops.subjects.user_code import framework_names

pytestmark = pytest.mark.daily


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("optax:adam", "optax is not installed: python -m pip install 'gdprops[jax]'"),
        ("keras.optimizers:SGD", "keras is not installed: python -m pip install 'gdprops[keras]'"),
        (
            "tensorflow.compat.v1.train:GradientDescentOptimizer",
            "tensorflow is not installed: python -m pip install 'gdprops[tensorflow]'",
        ),
    ],
)
def test_a_missing_framework_is_one_line(spec: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(framework_names, "find_spec", lambda name: None)
    with pytest.raises(UsageError) as told:
        resolve(spec)
    assert str(told.value) == said


def test_what_is_no_optimizer_that_is_fed_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(framework_names, "find_spec", lambda name: object())
    with pytest.raises(UsageError) as told:
        resolve("optax:sgd", kind="training-step")
    assert (
        str(told.value) == "as='training-step': optax:sgd names an optimizer of a framework, which gdprops feeds itself"
    )


def test_an_optimizer_of_torch_is_no_update_rule() -> None:
    with pytest.raises(UsageError) as told:
        gdprops.update_rule(torch.optim.SGD, lr=0.1)  # type: ignore[arg-type] # that is the point
    assert str(told.value) == (
        "update_rule: SGD belongs to torch; expected a function of arrays "
        "(a subject string such as torch.optim:SGD is checked by its own framework)"
    )


def test_a_backend_that_is_fixed_already_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    keras = ModuleType("keras")
    keras.__dict__.update(backend=SimpleNamespace(backend=lambda: "tensorflow"), optimizers=SimpleNamespace(SGD=None))
    monkeypatch.setitem(sys.modules, "keras", keras)
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    with pytest.raises(UsageError) as told:
        framework_names.framework_object("keras.optimizers:SGD")
    assert str(told.value) == (
        "KERAS_BACKEND='jax', but Keras already runs on tensorflow in this process; a process has one backend: "
        "start another one"
    )


def test_importing_gdprops_imports_no_framework() -> None:
    code = (
        "import gdprops, gdprops.cli, gdprops.plugin, gdprops.demo.question_network, gdprops.runner.session, sys;"
        "gdprops.optimizer; gdprops.check;"
        "from gdprops.kinds.resolve import resolve; resolve('torch.optim:SGD', hyperparameters={'lr': 0.1});"
        "print(sorted({'jax', 'optax', 'keras', 'tensorflow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
