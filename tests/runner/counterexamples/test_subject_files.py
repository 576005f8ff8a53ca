"""A subject that a file binds, with parts of its own and of another file: its script, its replay and its files."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

from gdprops.errors import UsageError
from gdprops.kinds.resolve import resolve
from gdprops.model.verdict import Counterexample
from gdprops.runner.counterexamples.saved_file import save
from gdprops.runner.session import check_subject
from gdprops.runner.settings import Settings

TRAIN = """
import torch

def build(model, loss_fn):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    def step(inputs, targets):
        loss_fn(model(inputs), targets).backward()
        optimizer.step()
    return step, optimizer
"""
SUBJECT = """
import torch, gdprops
from train_of_subject import build
def net():
    return torch.nn.Linear(2, 1)
def batch(index):
    return torch.full((2, 2), 1.0 + index), torch.ones(2, 1)
own = gdprops.training_step(build, models=net, batches=batch, loss=torch.nn.MSELoss())
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "train_of_subject.py").write_text(TRAIN)
    (tmp_path / "subj.py").write_text(SUBJECT)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def example_of(spec: str) -> Counterexample:
    outcome = check_subject(
        resolve(spec), clauses="step.fresh-gradient", settings=Settings(seed=0, examples=2, counterexamples="cases")
    )
    (found,) = (v.counterexample for v in outcome.verdicts if v.counterexample)
    return found


def test_the_script_runs_and_the_command_names_what_was_typed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = example_of("subj.py:own")
    assert found.path == os.path.join("cases", "subj.py-own-step.fresh-gradient.json")
    assert found.replay == f"gdprops replay {found.path} subj.py:own --as training-step"
    assert found.python.startswith("# subj.py:own, float64: ")
    assert "\nfound = runpy.run_path('subj.py')\n" in found.python
    assert "gdprops_subject" not in found.python
    monkeypatch.syspath_prepend(folder)  # where the script's own folder would be
    names = dict[str, Any]()
    with pytest.raises(AssertionError, match=r"^\w+\[0, 0\] is \S+, expected \S+$"):
        exec(compile(found.python, "printed.py", "exec"), names)
    names["held"].close()


def test_files_of_different_subjects_differ(tmp_path: Path) -> None:
    data = {"gdprops": 1, "clause": "step.once", "about": "subject", "subject": "mine", "case": {}}
    first = save({**data, "identity": "one"}, str(tmp_path))
    second = save({**data, "identity": "other"}, str(tmp_path))
    assert first == str(tmp_path / "mine-step.once.json")
    assert second is not None
    assert re.fullmatch(r"mine-[0-9a-f]{6}-step\.once\.json", Path(second).name)
    assert save({**data, "identity": "one"}, str(tmp_path)) == first


def test_a_file_is_called_what_was_typed_in_messages_too(folder: Path) -> None:
    (folder / "unusable.py").write_text("def build(model, loss_fn):\n    return 3\n")
    with pytest.raises(UsageError, match=r"^unusable\.py:build "):
        resolve("unusable.py:build", kind="training-step")
    (folder / "bound.py").write_text(
        "import gdprops\ndef build(model, loss_fn):\n    return 3\nown = gdprops.training_step(build)\n"
    )
    with pytest.raises(UsageError, match=r"bound\.py:build ") as raised:
        resolve("bound.py:own")
    assert "gdprops_subject" not in str(raised.value)
