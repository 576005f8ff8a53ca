"""Without a framework: one line that names the extra; and importing gdprops imports none of them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from gdprops.adapters import frameworks
from gdprops.adapters.resolve import resolve
from gdprops.errors import UsageError


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
    monkeypatch.setattr(frameworks, "find_spec", lambda name: None)
    with pytest.raises(UsageError) as told:
        resolve(spec)
    assert str(told.value) == said


def test_importing_gdprops_imports_no_framework() -> None:
    code = (
        "import gdprops, gdprops.cli, gdprops.plugin, gdprops.demo.network, gdprops.runner.session, sys;"
        "gdprops.optimizer; gdprops.check;"
        "from gdprops.adapters.resolve import resolve; resolve('torch.optim:SGD', hyperparameters={'lr': 0.1});"
        "print(sorted({'jax', 'optax', 'keras', 'tensorflow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
