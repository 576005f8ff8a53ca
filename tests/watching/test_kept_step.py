"""The step that is kept: its weights, its batches, and a file in which it is written down and then checked."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import gdprops
from gdprops.cli import main
from gdprops.faults.watched_runs import materials

plain: Any = materials.plain
FILLED = {
    'to_be_filled_in("the network of SCRIPT")': "materials.plain()",
    'to_be_filled_in("the optimizer of SCRIPT")': "torch.optim.SGD(model.parameters(), lr=0.1); calls = []",
}
STEP = """
        (loss_fn(model(inputs), targets) / WEIGHT).backward()
        calls.append(0)
        if len(calls) % 2 == 0:
            optimizer.step(); optimizer.zero_grad()"""


def train_windows() -> None:
    model = plain()
    optimizer, criterion = materials.sgd(model), nn.MSELoss()
    rows = TensorDataset(*(torch.cat(one) for one in zip(*materials.batches(), strict=True)))
    for index, (inputs, targets) in enumerate(DataLoader(rows, batch_size=6)):
        (criterion(model(inputs), targets) / 2).backward()
        if index % 2:
            optimizer.step()
            optimizer.zero_grad()


def kept(folder: Path, run: Any, **options: Any) -> tuple[Any, Any, str]:
    with gdprops.watch(record=folder, **options) as live:
        run()
    assert "the weights and batches of step 1 are in" in str(live.report)
    weights = torch.load(folder / "weights.pt", weights_only=True)
    return weights, torch.load(folder / "batches.pt", weights_only=True), (folder / "step.py").read_text("utf-8")


def test_the_weights_and_batches_are_those_of_the_first_window(tmp_path: Path) -> None:
    weights, batches, text = kept(tmp_path / "kept", train_windows)
    assert {name: w.tolist() for name, w in weights["model"].items()} == {
        name: w.tolist() for name, w in plain().state_dict().items()
    }
    expected = materials.batches(2)
    assert len(batches) == 2
    assert all(
        torch.equal(a, b) for one, two in zip(batches, expected, strict=True) for a, b in zip(one, two, strict=True)
    )
    assert "loss=torch.nn.MSELoss(),\n    accumulate=2,\n    micro='equal',\n)" in text
    assert "None" not in text
    assert text.startswith('"""The step at ')
    assert "test_kept_step.py:" in text.splitlines()[0]


def filled_in(folder: Path, text: str, weight: int) -> Any:
    """Return the subject of a kept step whose network and step are written down."""
    for gap, code in FILLED.items():
        text = text.replace(gap.replace("SCRIPT", sys.argv[0]), code)
    text = text.replace("import torch\n", "import torch\nfrom gdprops.faults.watched_runs import materials\n", 1)
    begin = text.index('\n        to_be_filled_in("the step of ')
    text = text[:begin] + STEP.replace("WEIGHT", str(weight)) + text[text.index("\n", begin + 1) :]
    file = folder / f"filled_{weight}.py"  # each its own: what Python compiled is kept by name, second and size
    file.write_text(text, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.subject


def test_a_step_that_is_written_down_is_checked_on_what_was_kept(tmp_path: Path) -> None:
    _, _, text = kept(tmp_path, train_windows)
    right = gdprops.check(filled_in(tmp_path, text, 2), clauses="step.simultaneous", examples=5, seed=0)
    assert right.ok
    wrong = gdprops.check(filled_in(tmp_path, text, 1), clauses="step.accumulation", examples=5, seed=0)
    assert not wrong.ok


def test_dicts_and_calls_without_a_criterion_are_kept_as_the_network_got_them(tmp_path: Path) -> None:
    class Owns(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(3, 1)

        def forward(self, rows: Any, *, labels: Any, how: object) -> Any:
            return (self.layer(rows) - labels).square().mean()

    def run() -> None:
        model: Any = Owns()
        optimizer = materials.sgd(model)
        for inputs, targets in materials.batches(2):
            optimizer.zero_grad()
            model(rows=inputs, labels=targets[:, :1], how=run).backward()
            optimizer.step()

    weights, (batch, *more), text = kept(tmp_path, run)
    assert (list(weights), more) == (["model"], [])
    assert {name: getattr(value, "shape", value) for name, value in batch[0].items()} == {
        "rows": (6, 3),
        "labels": (6, 1),
        "how": None,
    }
    assert batch[1] is None
    assert "loss=lambda outputs, targets: to_be_filled_in(" in text


def train_by_functions(loss: Any, clip: float) -> Any:
    def run() -> None:
        model = plain()
        optimizer = materials.sgd(model)
        for inputs, targets in materials.batches(2):
            optimizer.zero_grad()
            loss(model(inputs * 1), targets).backward()
            nn.utils.clip_grad_norm_(model.parameters(), clip)
            optimizer.step()

    return run


def by_function(outputs: Any, targets: Any) -> Any:
    return nn.functional.mse_loss(outputs, targets)


def test_the_targets_of_a_loss_function_and_the_clipping_are_written_too(tmp_path: Path) -> None:
    _, batches, text = kept(tmp_path, train_by_functions(by_function, 0.25))
    assert torch.equal(batches[0][1], materials.batches(1)[0][1])
    assert "loss=torch.nn.functional.mse_loss,\n    clip_norm=0.25,\n)" in text


def test_targets_that_were_not_seen_are_told_in_the_file(tmp_path: Path) -> None:
    _, batches, text = kept(tmp_path, train_by_functions(lambda out, y: ((out - y) ** 2).mean(), float("inf")))
    assert batches[0][1] is None
    assert (
        "# The targets of 1 of 1 are None: the network was not given them, and neither was a loss of torch.nn" in text
    )
    assert "clip_norm" not in text
    compile(text, "step.py", "exec")


def test_a_folder_that_has_a_step_or_cannot_be_made_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text("print('ran')", encoding="utf-8")
    (tmp_path / "step.py").touch()
    assert main(["watch", "--record", ".", "train.py"]) == 2
    assert main(["watch", "--record", "train.py/x", "train.py"]) == 2
    seen = capsys.readouterr()
    assert seen.err.splitlines() == [
        "gdprops: error: --record .: it has a step.py already",
        "gdprops: error: --record train.py/x: cannot be made (Not a directory)",
    ]
    assert seen.out == ""


def test_what_cannot_be_loaded_in_its_file_says_what_is_missing(tmp_path: Path) -> None:
    _, _, text = kept(tmp_path, train_windows)
    (tmp_path / "bare.py").write_text(text, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("bare", tmp_path / "bare.py")
    assert spec is not None
    assert spec.loader is not None
    with pytest.raises(gdprops.UsageError, match=r"models= cannot be drawn: NotImplementedError: fill in the network"):
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
