"""``--as accelerate``: a loop on an Accelerator, and what it does wrong is caught and named."""

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

needs_accelerate = pytest.mark.skipif(
    find_spec("accelerate") is None, reason="accelerate is an extra (tox -e accelerate)"
)

FILE = """
import torch
from torch import nn

def net():
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))

def batch(index):
    torch.manual_seed(index)
    return torch.randn(4 + index % 2, 3), torch.randn(4 + index % 2, 2)

def loss(model, batch):
    return nn.functional.mse_loss(model(batch[0]), batch[1])

def train(accelerator, model, loader):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.5)
    scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, total_iters=8)
    model, optimizer, loader, scheduler = accelerator.prepare(model, optimizer, loader, scheduler)
    for batch in loader:
        with accelerator.accumulate(model):
            accelerator.backward(loss(model, batch))
            if accelerator.sync_gradients:
                accelerator.clip_grad_norm_(model.parameters(), 0.5)
            optimizer.step()
            scheduler.step()
            optimizer.zero_grad()
"""
CLIPS = """if accelerator.sync_gradients:
                accelerator.clip_grad_norm_(model.parameters(), 0.5)"""


def _report(folder: Path, *changes: tuple[str, str], name: str = "train", clauses: str = "*", **given: Any) -> Any:
    """Return the report of the loop above, with some of its lines replaced."""
    source = FILE
    for old, new in changes:
        assert old in source
        source = source.replace(old, new)
    file = folder / "train.py"
    file.write_text(source)
    stated = {key: f"{file}:{found}" for key, found in (("models", "net"), ("objective", "loss"), ("batches", "batch"))}
    subject = resolve(f"{file}:{name}", kind="accelerate", hyperparameters={**stated, "clip_norm": 0.5, **given})
    return gdprops.check(subject, clauses=clauses, examples=5, seed=0, timeout=SECONDS)


def _statuses(report: Any) -> dict[str, str]:
    return {v.clause: v.status for v in report.verdicts if v.about == "subject" and v.status != "not-applicable"}


def _violated(report: Any, clause: str) -> Any:
    (found,) = [v for v in report.verdicts if v.clause == clause]
    assert found.status == "violated", str(report)
    return found


@needs_accelerate
def test_a_loop_holds_in_windows_and_without(tmp_path: Path) -> None:
    for window in (1, 3):
        report = _report(tmp_path, gradient_accumulation_steps=window)
        statuses = _statuses(report)
        assert "violated" not in statuses.values(), str(report)
        assert [statuses[k] for k in ("step.simultaneous", "step.once", "clock.schedule")] == ["held"] * 3
    told = " ".join(str(report).split())
    assert "accelerate: the function's own loop drives, with an Accelerator on the CPU" in told
    assert (
        "gradient_accumulation_steps=3: accelerator.backward divides every loss by 3, so that all micro-batches" in told
    )
    assert "LinearLR, which is prepared, advances once per update" in told


@needs_accelerate
def test_gradients_that_are_never_cleared(tmp_path: Path) -> None:
    changes = (("optimizer.zero_grad()", "pass"), (CLIPS, "pass"))
    report = _report(tmp_path, *changes, clauses="step.fresh-gradient", clip_norm=None)
    found = _violated(report, "step.fresh-gradient")
    assert found.explanation == "the gradient is added to those of the earlier steps (no zero_grad)"


@needs_accelerate
def test_layer_by_layer(tmp_path: Path) -> None:
    sweep = dedent("""
                for one, other in ((model[0], model[2]), (model[2], model[0])):
                    other.requires_grad_(False)
                    optimizer.zero_grad()
                    accelerator.backward(loss(model, batch))
                    optimizer.step()
                    other.requires_grad_(True)
    """)
    lines = "\n".join(" " * 12 + line for line in sweep.strip().splitlines())
    changes = (
        ("            accelerator.backward(loss(model, batch))\n", lines + "\n"),
        (CLIPS, "pass"),
        ("            optimizer.step()\n            scheduler.step()\n", "            scheduler.step()\n"),
        (", momentum=0.5", ""),
    )
    report = _report(tmp_path, *changes, clauses="step.simultaneous", clip_norm=None)
    found = _violated(report, "step.simultaneous")
    assert found.explanation.startswith("layer by layer, first layer first: each layer's gradient is taken after the ")


@needs_accelerate
def test_clipping_that_is_left_out(tmp_path: Path) -> None:
    found = _violated(_report(tmp_path, (CLIPS, "pass"), clauses="step.clipping", clip_norm=0.1), "step.clipping")
    assert found.explanation == "the gradient is not clipped"


@needs_accelerate
def test_a_scheduler_that_advances_per_micro_batch(tmp_path: Path) -> None:
    changes = (("scheduler.step()", "scheduler.scheduler.step()"),)  # past the Accelerator, which skips it in a window
    found = _violated(
        _report(tmp_path, *changes, clauses="clock.schedule", gradient_accumulation_steps=2), "clock.schedule"
    )
    assert found.reason.startswith("at update 1 the rate is ")


@needs_accelerate
def test_parameters_that_no_optimizer_holds(tmp_path: Path) -> None:
    changes = (("SGD(model.parameters()", "SGD(model[2].parameters()"),)
    found = _violated(_report(tmp_path, *changes, clauses="step.complete"), "step.complete")
    assert found.reason.startswith("0.weight, 0.bias: trainable, reached by the loss, and in no group of the optimizer")


@needs_accelerate
@pytest.mark.parametrize(
    ("changes", "given", "said"),
    [
        (
            (),
            {"name": "net"},
            "train.py:net is a function that takes other arguments; expected a function (accelerator, model, loader) "
            "that trains the model",
        ),
        (
            (
                (
                    "model, optimizer, loader, scheduler = accelerator.prepare(model, optimizer, loader, scheduler)",
                    "pass",
                ),
            ),
            {},
            "the function prepares no optimizer: accelerator.prepare(model, optimizer, loader)",
        ),
        (
            (("for batch in loader:", "for batch in ():"),),
            {},
            "train ended without asking for a batch: it ignores the loader that it is given, or its limits (max_steps, "
            "max_epochs, limit_train_batches) allow no step",
        ),
        ((("lr=0.1", "lr=1/0"),), {}, "raised ZeroDivisionError before its first batch: division by zero"),
        ((), {"cpu": False}, "train.py:train: cpu=False cannot be given, gdprops sets it itself"),
    ],
)
def test_what_cannot_be_used_is_one_line(tmp_path: Path, changes: Any, given: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as told:
        _report(tmp_path, *changes, **given)
    assert str(told.value).endswith(said)


@needs_accelerate
def test_a_loop_without_its_model_loss_and_batches_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "train.py"
    file.write_text(FILE)
    with pytest.raises(UsageError) as told:
        resolve(f"{file}:train", kind="accelerate", hyperparameters={"models": f"{file}:net"})
    assert str(told.value).endswith(
        " needs objective=, a function (model, batch) -> loss; batches=, a function (index) -> batch "
        "(-p models=FILE:name, …)"
    )


def test_a_missing_extra_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(framework_names, "find_spec", lambda name: None)
    with pytest.raises(UsageError) as told:
        resolve("torch.optim:SGD", kind="accelerate")
    assert str(told.value) == "accelerate is not installed: python -m pip install 'gdprops[accelerate]'"
