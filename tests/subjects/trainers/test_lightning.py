"""``--as lightning``: the real Trainer drives a LightningModule, and what it does wrong is caught and named."""

from __future__ import annotations

import sys
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

needs_lightning = pytest.mark.skipif(find_spec("lightning") is None, reason="lightning is an extra (tox -e lightning)")

MODULE = """
import lightning.pytorch as pl
import torch
from torch import nn

class Module(pl.LightningModule):
    def __init__(self, lr=0.1):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
        self.lr = lr

    def training_step(self, batch, batch_idx):
        x, y = batch
        loss = nn.functional.mse_loss(self.net(x), y)
        self.log("loss", loss)
        return loss

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.lr, momentum=0.5)

    def train_dataloader(self):
        x = torch.randn(40, 3)
        return torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, x[:, :2] * 2), batch_size=6, shuffle=True)
"""


def _report(folder: Path, changed: str = "", *, clauses: str = "*", **given: Any) -> Any:
    """Return the report of the module above, or of a class ``Changed`` that a test makes of it."""
    file = folder / "train.py"
    file.write_text(MODULE + dedent(changed))
    subject = resolve(f"{file}:{'Changed' if changed else 'Module'}", kind="lightning", hyperparameters=given)
    return gdprops.check(subject, clauses=clauses, examples=5, seed=0, timeout=SECONDS)


def _statuses(report: Any) -> dict[str, str]:
    return {v.clause: v.status for v in report.verdicts if v.about == "subject" and v.status != "not-applicable"}


def _violated(report: Any, clause: str) -> Any:
    (found,) = [v for v in report.verdicts if v.clause == clause]
    assert found.status == "violated", str(report)
    return found


@needs_lightning
def test_a_module_under_its_trainer_holds_with_nothing_declared(tmp_path: Path) -> None:
    report = _report(tmp_path)
    assert set(_statuses(report).values()) == {"held"}, str(report)
    assert "lightning: the Trainer drives on the CPU; epochs of 4 updates are fed to it" in " ".join(
        str(report).split()
    )


@needs_lightning
def test_clipping_windows_and_schedules_are_read_from_the_trainer_and_told(tmp_path: Path) -> None:
    changed = """
    class Changed(Module):
        def configure_optimizers(self):
            made = super().configure_optimizers()
            return [made], [{"scheduler": torch.optim.lr_scheduler.LinearLR(made), "interval": "step"}]
    """
    report = _report(tmp_path, changed, gradient_clip_val=0.5, accumulate_grad_batches=3)
    statuses = _statuses(report)
    assert set(statuses.values()) == {"held"}, str(report)
    assert {"step.clipping", "step.accumulation", "clock.schedule"} <= set(statuses)
    told = " ".join(str(report).split())
    assert "gradient_clip_val=0.5: gradients are clipped to this norm" in told
    assert "accumulate_grad_batches=3: every micro-batch counts alike in its window, however many rows" in told
    assert "LinearLR advances once per update, as configure_optimizers states (interval='step')" in told


@needs_lightning
def test_a_schedule_per_epoch_advances_within_the_run(tmp_path: Path) -> None:
    changed = """
    class Changed(Module):
        def configure_optimizers(self):
            made = super().configure_optimizers()
            return [made], [torch.optim.lr_scheduler.ExponentialLR(made, 0.5)]
    """
    report = _report(tmp_path, changed, clauses="clock.*")
    assert _statuses(report) == dict.fromkeys(("clock.schedule", "clock.first-rate", "clock.order"), "held")


@needs_lightning
def test_dropout_batch_norm_and_what_is_read_of_the_trainer_hold(tmp_path: Path) -> None:
    changed = """
    class Changed(Module):
        def __init__(self):
            super().__init__()
            self.net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Dropout(0.3), nn.Linear(4, 2))

        def training_step(self, batch, batch_idx):
            return {"loss": super().training_step(batch, batch_idx) * (1 + self.global_step + self.current_epoch)}
    """
    assert set(_statuses(_report(tmp_path, changed)).values()) == {"held"}


@needs_lightning
def test_gradients_that_are_never_cleared(tmp_path: Path) -> None:
    changed = """
    class Changed(Module):
        def optimizer_zero_grad(self, epoch, batch_idx, optimizer):
            pass
    """
    found = _violated(_report(tmp_path, changed, clauses="step.fresh-gradient"), "step.fresh-gradient")
    assert found.explanation == "the gradient is added to those of the earlier steps (no zero_grad)"


@needs_lightning
def test_layer_by_layer(tmp_path: Path) -> None:
    changed = """
    class Changed(Module):
        def optimizer_step(self, epoch, batch_idx, optimizer, closure):
            layers = [self.net[0], self.net[2]]
            for one, other in (layers, layers[::-1]):
                other.requires_grad_(False)
                optimizer.step(closure)
                other.requires_grad_(True)
    """
    found = _violated(_report(tmp_path, changed, clauses="step.simultaneous"), "step.simultaneous")
    assert found.explanation.startswith("layer by layer, first layer first: each layer's gradient is taken after the ")


@needs_lightning
def test_clipping_that_is_left_out(tmp_path: Path) -> None:
    changed = """
    class Changed(Module):
        def configure_gradient_clipping(self, optimizer, gradient_clip_val=None, gradient_clip_algorithm=None):
            pass
    """
    found = _violated(_report(tmp_path, changed, clauses="step.clipping", gradient_clip_val=0.05), "step.clipping")
    assert found.reason == "the gradient is not clipped"


@needs_lightning
def test_a_scheduler_that_advances_per_micro_batch_too(tmp_path: Path) -> None:
    changed = """
    class Changed(Module):
        def configure_optimizers(self):
            made = super().configure_optimizers()
            return [made], [{"scheduler": torch.optim.lr_scheduler.ExponentialLR(made, 0.5), "interval": "step"}]

        def on_train_batch_end(self, outputs, batch, batch_idx):
            self.lr_schedulers().step()
    """
    report = _report(tmp_path, changed, clauses="clock.schedule", accumulate_grad_batches=2)
    found = _violated(report, "clock.schedule")
    assert found.reason == "at update 1 the rate is 0.05, the schedule's 0.1"


@needs_lightning
def test_parameters_that_no_optimizer_holds(tmp_path: Path) -> None:
    changed = """
    class Changed(Module):
        def configure_optimizers(self):
            return torch.optim.SGD(self.net[2].parameters(), lr=self.lr)
    """
    found = _violated(_report(tmp_path, changed, clauses="step.complete"), "step.complete")
    assert found.reason.startswith("net.0.weight, net.0.bias: trainable, reached by the loss, and in no group")


@needs_lightning
def test_a_data_module_and_a_function_give_the_batches(tmp_path: Path) -> None:
    changed = """
    class Changed(Module):
        train_dataloader = pl.LightningModule.train_dataloader

    def batch(index):
        torch.manual_seed(index)
        return [torch.randn(5, 3), torch.randn(5, 2)]

    class Data(pl.LightningDataModule):
        def train_dataloader(self):
            return [batch(index) for index in range(4)]
    """
    for given in ({"batches": f"{tmp_path / 'train.py'}:batch"}, {"datamodule": f"{tmp_path / 'train.py'}:Data"}):
        assert _statuses(_report(tmp_path, changed, clauses="step.simultaneous", **given)) == {
            "step.simultaneous": "held"
        }


@needs_lightning
@pytest.mark.parametrize(
    ("changed", "given", "said"),
    [
        (
            "class Changed(Module):\n    train_dataloader = pl.LightningModule.train_dataloader",
            {},
            "train.py:Changed has no batches; gdprops cannot know what training_step takes: give the module a "
            "train_dataloader(), or name a DataModule with -p datamodule=FILE:Class, or a function (index) -> batch "
            "with --batches FILE:function",
        ),
        (
            "def Changed():\n    made = Module()\n    made.automatic_optimization = False\n    return made",
            {},
            "train.py:Changed: its training_step optimizes by itself (automatic_optimization = False), so that it is "
            "no loss that gdprops could differentiate: check the step as --as training-step",
        ),
        (
            "Changed = 3",
            {},
            "train.py:Changed is an int; expected a LightningModule class, or a function that makes one",
        ),
        ("def Changed():\n    return 3", {}, "train.py:Changed makes an int; expected a LightningModule"),
        ("def Changed():\n    1 / 0", {}, "train.py:Changed raised ZeroDivisionError: division by zero"),
        ("", {"devices": 2}, "train.py:Module: devices=2 cannot be given, gdprops sets it itself"),
        (
            "",
            {"lrr": 2},
            "train.py:Module: neither the module nor the trainer takes 'lrr'; did you mean 'lr'? (the module takes lr)",
        ),
        (
            "",
            {"max_steps": 0},
            "Trainer.fit ended without asking for a batch: it ignores the loader that it is given, or its limits "
            "(max_steps, max_epochs, limit_train_batches) allow no step",
        ),
        (
            "class Changed(Module):\n    def training_step(self, batch, batch_idx):\n        return None",
            {},
            "train.py:Changed cannot be used: training_step returns no loss for a batch: Lightning then skips it",
        ),
    ],
)
def test_what_cannot_be_used_is_one_line(tmp_path: Path, changed: str, given: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as told:
        _report(tmp_path, changed, **given)
    assert str(told.value).endswith(said)


def test_a_missing_extra_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(framework_names, "find_spec", lambda name: None)
    for library in ("lightning.pytorch", "pytorch_lightning"):
        monkeypatch.delitem(sys.modules, library, raising=False)
    with pytest.raises(UsageError) as told:
        resolve("torch.optim:SGD", kind="lightning")
    assert str(told.value) == "lightning is not installed: python -m pip install 'gdprops[lightning]'"
