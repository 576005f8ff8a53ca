"""``--as fabric``: a loop on Lightning Fabric, and what it does wrong is caught and named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gdprops.errors import UsageError
from gdprops.kinds.resolve import resolve
from gdprops.subjects.user_code import framework_names
from tests.subjects.trainers.loops import NET, Changes, held, needs, subject, violated

needs_fabric = needs("lightning", "fabric")
FILE = f"""{NET}
def train(fabric, model, loader):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.5)
    scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, total_iters=8)
    model, optimizer = fabric.setup(model, optimizer)
    loader = fabric.setup_dataloaders(loader)
    for n, batch in enumerate(loader, start=1):
        fabric.backward(loss(model, batch) / WINDOW)
        if n % WINDOW == 0:
            fabric.clip_gradients(model, optimizer, max_norm=0.5)
            optimizer.step()
            scheduler.step()
            optimizer.zero_grad()

WINDOW = 1
"""
CLIPS = ("            fabric.clip_gradients(model, optimizer, max_norm=0.5)\n", "")
IN_WINDOWS = (("WINDOW = 1", "WINDOW = 2"),)
SWEEP: Changes = (
    CLIPS,
    (
        "        fabric.backward(loss(model, batch) / WINDOW)\n",
        """
        for one, other in ((model.module[0], model.module[2]), (model.module[2], model.module[0])):
            other.requires_grad_(False)
            optimizer.zero_grad()
            fabric.backward(loss(model, batch))
            optimizer.step()
            other.requires_grad_(True)
""",
    ),
    ("            optimizer.step()\n            scheduler.step()\n", "            pass\n"),
    (", momentum=0.5", ""),
)
LINEAR = "LinearLR(optimizer, total_iters=8)"


def made(folder: Path, *changes: tuple[str, str], **given: Any) -> Any:
    stated = {"models": "FILE:net", "objective": "FILE:loss", "batches": "FILE:batch", "clip_norm": 0.5, **given}
    return subject(folder, FILE, "fabric", changes, **stated)


@needs_fabric
@pytest.mark.parametrize(("changes", "window"), [((), 1), (IN_WINDOWS, 2)], ids=str)
def test_a_loop_holds_in_windows_and_without(tmp_path: Path, changes: Changes, window: int) -> None:
    statuses, told = held(made(tmp_path, *changes, accumulate=window), "step.*")
    assert [statuses[k] for k in ("step.simultaneous", "step.once", "step.complete")] == ["held"] * 3
    assert "fabric: the function's own loop drives, with a Fabric on the CPU" in told
    assert (f"accumulate={window}: every micro-batch counts alike in its window" in told) is (window > 1)


@needs_fabric
def test_gradients_that_are_never_cleared(tmp_path: Path) -> None:
    changes = (("optimizer.zero_grad()", "pass"), CLIPS)
    found = violated("step.fresh-gradient", made(tmp_path, *changes, clip_norm=None))
    assert found.explanation == "the gradient is added to those of the earlier steps (no zero_grad)"


@needs_fabric
def test_layer_by_layer(tmp_path: Path) -> None:
    found = violated("step.simultaneous", made(tmp_path, *SWEEP, clip_norm=None))
    assert found.explanation.startswith("layer by layer, first layer first: each layer's gradient is taken after the ")


@needs_fabric
def test_clipping_that_is_left_out(tmp_path: Path) -> None:
    found = violated("step.clipping", made(tmp_path, CLIPS, clip_norm=0.1))
    assert found.explanation == "the gradient is not clipped"


@needs_fabric
def test_parameters_that_no_optimizer_holds(tmp_path: Path) -> None:
    found = violated("step.complete", made(tmp_path, ("SGD(model.parameters()", "SGD(model[2].parameters()")))
    assert found.reason.startswith("0.weight, 0.bias: trainable, reached by the loss, and in no group of the optimizer")


@needs_fabric
def test_a_scheduler_that_advances_per_micro_batch(tmp_path: Path) -> None:
    changes = (
        *IN_WINDOWS,
        ("            scheduler.step()\n", ""),
        ("    for n, batch", "    for n, batch"),
        ("        if n % WINDOW == 0:", "        scheduler.step()\n        if n % WINDOW == 0:"),
    )
    right = "FILE:declared"
    more = (("WINDOW = 2", f"WINDOW = 2\n\ndef declared(optimizer):\n    return torch.optim.lr_scheduler.{LINEAR}\n"),)
    found = violated("clock.schedule", made(tmp_path, *changes, *more, accumulate=2, schedule=right))
    assert found.reason.startswith("at update 1 the rate is ")


@needs_fabric
@pytest.mark.parametrize(
    ("changes", "given", "said"),
    [
        (
            (),
            {"name": "net"},
            "train.py:net is a function that takes other arguments; expected a function (fabric, model, loader) that "
            "trains the model",
        ),
        (
            (
                ("    model, optimizer = fabric.setup(model, optimizer)\n", ""),
                ("fabric.clip_gradients(model, optimizer, max_norm=0.5)", "pass"),
            ),
            {},
            "the function sets no optimizer up: model, optimizer = fabric.setup(model, optimizer)",
        ),
        (
            (("enumerate(loader, start=1)", "()"),),
            {},
            "train ended without asking for a batch: it ignores the loader that it is given, or its limits (max_steps, "
            "max_epochs, limit_train_batches) allow no step",
        ),
        ((("lr=0.1", "lr=1/0"),), {}, "raised ZeroDivisionError before its first batch: division by zero"),
        ((), {"devices": 2}, "train.py:train: devices=2 cannot be given, gdprops sets it itself"),
        ((), {"models": None}, " needs models=, a function () -> model (-p models=FILE:name, …)"),
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
        resolve("torch.optim:SGD", kind="fabric")
    assert str(told.value) == "lightning is not installed: python -m pip install 'gdprops[fabric]'"
