"""``--as ignite``: an engine of PyTorch-Ignite, and what it does wrong is caught and named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gdprops.errors import UsageError
from gdprops.kinds.resolve import resolve
from gdprops.subjects.user_code import framework_names
from tests.subjects.trainers.loops import NET, Changes, held, needs, subject, violated

needs_ignite = needs("ignite", "ignite")
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")  # where ignite is imported
FILE = f"""{NET}
from ignite.engine import Engine, Events, create_supervised_trainer

def ready(model):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.5)
    return create_supervised_trainer(model, optimizer, nn.MSELoss(), gradient_accumulation_steps=WINDOW), optimizer

def train(model):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, total_iters=8)

    def update(engine, batch):
        model.train()
        optimizer.zero_grad()
        loss(model, batch).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()

    engine = Engine(update)
    engine.add_event_handler(Events.ITERATION_COMPLETED(every=WINDOW), lambda _: scheduler.step())
    return engine, optimizer

def declared(optimizer):
    return torch.optim.lr_scheduler.LinearLR(optimizer, total_iters=8)

WINDOW = 1
"""
CLIPS = ("        nn.utils.clip_grad_norm_(model.parameters(), 0.5)\n", "")
SWEEP: Changes = (
    CLIPS,
    (
        "        optimizer.zero_grad()\n        loss(model, batch).backward()\n        optimizer.step()\n",
        """
        for one, other in ((model[0], model[2]), (model[2], model[0])):
            other.requires_grad_(False)
            optimizer.zero_grad()
            loss(model, batch).backward()
            optimizer.step()
            other.requires_grad_(True)
""",
    ),
)


def made(folder: Path, *changes: tuple[str, str], **given: Any) -> Any:
    stated = {"models": "FILE:net", "objective": "FILE:loss", "batches": "FILE:batch", "clip_norm": 0.5, **given}
    return subject(folder, FILE, "ignite", changes, **stated)


@needs_ignite
@pytest.mark.parametrize("window", [1, 2])
def test_the_supervised_trainer_holds_in_windows_and_without(tmp_path: Path, window: int) -> None:
    changes = (("WINDOW = 1", f"WINDOW = {window}"),)
    found = made(tmp_path, *changes, name="ready", clip_norm=None, accumulate=window)
    statuses, told = held(found, "step.*")
    assert [statuses[k] for k in ("step.simultaneous", "step.once", "step.complete")] == ["held"] * 3
    assert "ignite: Engine.run drives on the CPU, in epochs of 4 updates" in told


@needs_ignite
def test_an_engine_with_a_schedule_holds(tmp_path: Path) -> None:
    statuses, _ = held(made(tmp_path, schedule="FILE:declared"), "clock.schedule")
    assert statuses["clock.schedule"] == "held"


@needs_ignite
def test_gradients_that_are_never_cleared(tmp_path: Path) -> None:
    changes = (("        optimizer.zero_grad()\n", ""), CLIPS)
    found = violated("step.fresh-gradient", made(tmp_path, *changes, clip_norm=None))
    assert found.explanation == "the gradient is added to those of the earlier steps (no zero_grad)"


@needs_ignite
def test_layer_by_layer(tmp_path: Path) -> None:
    found = violated("step.simultaneous", made(tmp_path, *SWEEP, clip_norm=None))
    assert found.explanation.startswith("layer by layer, first layer first: each layer's gradient is taken after the ")


@needs_ignite
def test_clipping_that_is_left_out(tmp_path: Path) -> None:
    found = violated("step.clipping", made(tmp_path, CLIPS, clip_norm=0.1))
    assert found.explanation == "the gradient is not clipped"


@needs_ignite
def test_parameters_that_no_optimizer_holds(tmp_path: Path) -> None:
    found = violated(
        "step.complete", made(tmp_path, ("SGD(model.parameters(), lr=0.1)", "SGD(model[2].parameters(), lr=0.1)"))
    )
    assert found.reason.startswith("0.weight, 0.bias: trainable, reached by the loss, and in no group of the optimizer")


@needs_ignite
def test_a_scheduler_that_advances_per_micro_batch(tmp_path: Path) -> None:
    change = (
        "    return create_supervised_trainer(model, optimizer, nn.MSELoss(), gradient_accumulation_steps=WINDOW), "
        "optimizer",
        """    engine = create_supervised_trainer(model, optimizer, nn.MSELoss(), gradient_accumulation_steps=2)
    scheduler = declared(optimizer)
    engine.add_event_handler(Events.ITERATION_COMPLETED, lambda _: scheduler.step())
    return engine, optimizer""",
    )
    found = violated(
        "clock.schedule",
        made(tmp_path, change, name="ready", clip_norm=None, accumulate=2, schedule="FILE:declared"),
    )
    assert found.reason.startswith("at update 1 the rate is ")


@needs_ignite
@pytest.mark.parametrize(
    ("changes", "given", "said"),
    [
        (
            (("    return engine, optimizer\n", "    return engine\n"),),
            {},
            "train.py:train returned an Engine; expected a function model -> (engine, optimizer), with an "
            "ignite.engine.Engine that trains the model",
        ),
        (
            (),
            {"name": "net"},
            "train.py:net is a function that takes other arguments; expected a function model -> (engine, optimizer), "
            "with an ignite.engine.Engine that trains the model",
        ),
        ((("lr=0.1", "lr=1/0"),), {}, "raised ZeroDivisionError before its first batch: division by zero"),
        ((), {"objective": None}, " needs objective=, a function (model, batch) -> loss (-p models=FILE:name, …)"),
    ],
    ids=lambda value: value[-30:] if isinstance(value, str) else "",
)
def test_what_cannot_be_used_is_one_line(tmp_path: Path, changes: Changes, given: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as told:
        made(tmp_path, *changes, **given)
    assert str(told.value).endswith(said)


def test_a_missing_extra_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(framework_names, "find_spec", lambda name: None)
    with pytest.raises(UsageError) as told:
        resolve("torch.optim:SGD", kind="ignite")
    assert str(told.value) == "ignite is not installed: python -m pip install 'gdprops[ignite]'"
