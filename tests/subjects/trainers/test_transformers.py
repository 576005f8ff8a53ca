"""``--as transformers``: the real Trainer drives a model, and what it does wrong is caught and named."""

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

needs_transformers = pytest.mark.skipif(
    find_spec("transformers") is None or find_spec("accelerate") is None,
    reason="transformers is an extra (tox -e transformers)",
)
own_warnings = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

FILE = """
import tempfile
import torch
from torch import nn
from transformers import BertConfig, BertForSequenceClassification, LlamaConfig, LlamaForCausalLM
from transformers import Trainer, TrainingArguments

def llama():
    return LlamaForCausalLM(LlamaConfig(vocab_size=11, hidden_size=8, intermediate_size=12, num_hidden_layers=1,
                                        num_attention_heads=2, max_position_embeddings=16))

def bert():
    return BertForSequenceClassification(BertConfig(vocab_size=11, hidden_size=8, num_hidden_layers=1,
                                                    num_attention_heads=2, intermediate_size=12))

def tokens(index):
    torch.manual_seed(index)
    ids = torch.randint(0, 11, (3, 6))
    labels = ids.clone()
    labels[0, 4 - index % 3:] = -100
    return {"input_ids": ids, "labels": labels}

def classes(index):
    torch.manual_seed(index)
    return {"input_ids": torch.randint(0, 11, (3, 6)), "labels": torch.randint(0, 2, (3,))}

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))

    def forward(self, x, labels=None):
        out = self.net(x)
        return {"loss": nn.functional.mse_loss(out, labels), "logits": out}

def made(trainer, model=None, **stated):
    torch.manual_seed(0)
    data = [{"x": torch.randn(3), "labels": torch.randn(2)} for _ in range(24)]
    usual = {"per_device_train_batch_size": 4, "report_to": "none", "learning_rate": 0.05, "optim": "sgd"}
    args = TrainingArguments(output_dir=tempfile.gettempdir(), **usual | stated)
    return trainer(model=model or Net(), args=args, train_dataset=data)
"""


def _report(folder: Path, name: str, changed: str = "", *, clauses: str = "*", **given: Any) -> Any:
    """Return the report of something in the file above, with what a test adds to it."""
    file = folder / "train.py"
    file.write_text(FILE + dedent(changed))
    subject = resolve(f"{file}:{name}", kind="transformers", hyperparameters=given)
    return gdprops.check(subject, clauses=clauses, examples=5, seed=0, timeout=SECONDS)


def _statuses(report: Any) -> dict[str, str]:
    return {v.clause: v.status for v in report.verdicts if v.about == "subject" and v.status != "not-applicable"}


def _violated(report: Any, clause: str) -> Any:
    (found,) = [v for v in report.verdicts if v.clause == clause]
    assert found.status == "violated", str(report)
    return found


def _told(report: Any) -> str:
    return " ".join(str(report).split())


@needs_transformers
@own_warnings
def test_a_language_model_with_default_arguments_holds(tmp_path: Path) -> None:
    report = _report(tmp_path, "llama", batches=f"{tmp_path / 'train.py'}:tokens", clauses="*")
    statuses = _statuses(report)
    assert "violated" not in statuses.values(), str(report)
    assert {"step.simultaneous", "step.complete", "clock.schedule"} <= {k for k, s in statuses.items() if s == "held"}
    assert "transformers: the Trainer drives on the CPU, for 24 updates" in _told(report)
    assert "max_grad_norm=1: gradients are clipped to this norm" in _told(report)
    assert "lr_scheduler_type=linear: advances once per update" in _told(report)


@needs_transformers
@own_warnings
def test_windows_of_ragged_tokens_and_dropout_hold(tmp_path: Path) -> None:
    window: dict[str, Any] = {
        "gradient_accumulation_steps": 2,
        "max_grad_norm": 0.0,
        "batches": f"{tmp_path / 'train.py'}:tokens",
    }
    report = _report(tmp_path, "llama", clauses="step.*", **window)
    assert set(_statuses(report).values()) == {"held"}, str(report)
    assert "gradient_accumulation_steps=2: every micro-batch counts by the labels that it counts" in _told(report)
    report = _report(tmp_path, "bert", clauses="step.simultaneous", batches=f"{tmp_path / 'train.py'}:classes")
    assert _statuses(report) == {"step.simultaneous": "held"}


@needs_transformers
@own_warnings
def test_a_function_that_makes_a_trainer_with_its_data_and_optimizer_holds(tmp_path: Path) -> None:
    changed = """
    def own():
        model = Net()
        trainer = made(Trainer, model, max_grad_norm=0.0, lr_scheduler_type="constant")
        trainer.optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        return trainer
    """
    report = _report(tmp_path, "own", changed)
    assert set(_statuses(report).values()) == {"held"}, str(report)


@needs_transformers
@own_warnings
def test_what_compute_loss_does_beside_the_models_loss_is_told_and_right(tmp_path: Path) -> None:
    changed = """
    class Doubled(Trainer):
        def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
            return 2 * model(**inputs)["loss"] * (1 + self.state.global_step)

    def doubled():
        return made(Doubled, max_grad_norm=0.0)
    """
    report = _report(tmp_path, "doubled", changed, clauses="step.simultaneous")
    assert _statuses(report) == {"step.simultaneous": "held"}
    assert "compute_loss gives 2 times the model's own loss: it divides by what it counts" in _told(report)


@needs_transformers
@own_warnings
def test_gradients_that_are_never_cleared(tmp_path: Path) -> None:
    changed = """
    class Keeps(Net):
        def zero_grad(self, set_to_none=True):
            pass

    def keeps():
        return made(Trainer, Keeps(), max_grad_norm=0.0)
    """
    report = _report(tmp_path, "keeps", changed, clauses="step.fresh-gradient")
    found = _violated(report, "step.fresh-gradient")
    assert found.explanation == "the gradient is added to those of the earlier steps (no zero_grad)"


@needs_transformers
@own_warnings
def test_layer_by_layer(tmp_path: Path) -> None:
    changed = """
    class Sweeps(Trainer):
        def training_step(self, model, inputs, num_items_in_batch=None):
            super().training_step(model, inputs, num_items_in_batch)
            with torch.no_grad():
                for p in model.net[0].parameters():
                    p -= 0.05 * p.grad
            model.zero_grad()
            loss = super().training_step(model, inputs, num_items_in_batch)
            for p in model.net[0].parameters():
                p.grad = None
            return loss

    def sweeps():
        return made(Sweeps, max_grad_norm=0.0, lr_scheduler_type="constant")
    """
    report = _report(tmp_path, "sweeps", changed, clauses="step.simultaneous")
    found = _violated(report, "step.simultaneous")
    assert found.explanation.startswith("layer by layer, first layer first: each layer's gradient is taken after the ")


@needs_transformers
@own_warnings
def test_clipping_that_is_left_out(tmp_path: Path) -> None:
    changed = """
    class Unclipped(Trainer):
        def _clip_grad_norm(self, model):
            return None

    def unclipped():
        return made(Unclipped, max_grad_norm=0.01)
    """
    found = _violated(_report(tmp_path, "unclipped", changed, clauses="step.clipping"), "step.clipping")
    assert found.explanation == "the gradient is not clipped"


@needs_transformers
@own_warnings
def test_a_scheduler_that_advances_per_micro_batch_too(tmp_path: Path) -> None:
    changed = """
    class Hurries(Trainer):
        def training_step(self, model, inputs, num_items_in_batch=None):
            loss = super().training_step(model, inputs, num_items_in_batch)
            self.lr_scheduler.step()
            return loss

    def hurries():
        return made(Hurries, gradient_accumulation_steps=2, lr_scheduler_type="constant_with_warmup", warmup_steps=3)
    """
    found = _violated(_report(tmp_path, "hurries", changed, clauses="clock.schedule"), "clock.schedule")
    assert (
        found.reason == "at update 1 the rate is 0.0333333, the schedule's 0: they are the schedule's 2 updates early"
    )


@needs_transformers
@own_warnings
def test_parameters_that_no_optimizer_holds(tmp_path: Path) -> None:
    changed = """
    class Heads(Trainer):
        def create_optimizer(self, *args):
            self.optimizer = torch.optim.SGD(self.model.net[2].parameters(), lr=0.1)
            return self.optimizer

    def heads():
        return made(Heads)
    """
    found = _violated(_report(tmp_path, "heads", changed, clauses="step.complete"), "step.complete")
    assert found.reason.startswith("net.0.weight, net.0.bias: trainable, reached by the loss, and in no group")


@needs_transformers
@own_warnings
@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        (
            "llama",
            {},
            "train.py:llama has no batches; gdprops cannot know what the model takes: let the Trainer have a "
            "train_dataset, or name a function (index) -> batch with --batches FILE:function",
        ),
        ("three", {}, "train.py:three is an int; expected a function that makes a Trainer, or a model class"),
        ("Four", {}, "train.py:Four makes an int; expected a transformers.Trainer or a model"),
        (
            "ready",
            {"max_grad_norm": 2},
            "train.py:ready makes its Trainer itself, so that -p cannot give it max_grad_norm",
        ),
        ("llama", {"use_cpu": False}, "train.py:llama: use_cpu=False cannot be given, gdprops sets it itself"),
        (
            "llama",
            {"max_gradnorm": 1},
            "takes 'max_gradnorm'; did you mean 'max_grad_norm'? (the module takes no argument)",
        ),
        (
            "deaf",
            {},
            "Trainer.train ended without asking for a batch: it ignores the loader that it is given, or its limits "
            "(max_steps, max_epochs, limit_train_batches) allow no step",
        ),
    ],
)
def test_what_cannot_be_used_is_one_line(tmp_path: Path, name: str, given: dict[str, Any], said: str) -> None:
    changed = """
    three = 3

    class Four:
        def __new__(cls):
            return 4

    class Deaf(Trainer):
        def train(self):
            pass

    def ready():
        return made(Trainer)

    def deaf():
        return made(Deaf)
    """
    with pytest.raises(UsageError) as told:
        _report(tmp_path, name, changed, **given)
    assert str(told.value).endswith(said)


def test_a_missing_extra_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(framework_names, "find_spec", lambda name: None)
    with pytest.raises(UsageError) as told:
        resolve("torch.optim:SGD", kind="transformers")
    assert str(told.value) == "transformers is not installed: python -m pip install 'gdprops[transformers]'"
