"""A run that is watched in stretches: between them steps are counted, and nothing else is hooked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.modules import module as modules
from torch.optim import optimizer as optimizers

import gdprops
from gdprops.cli import main
from gdprops.faults.watched_runs import materials
from gdprops.model.ledger import StepBegins

plain: Any = materials.plain
mse: Any = materials.mse


def train(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int, *, zeroes: bool = True) -> None:
    for inputs, targets in materials.batches(steps):
        if zeroes:
            optimizer.zero_grad()
        mse(model(inputs), targets).backward()
        optimizer.step()


def test_as_many_steps_again_after_each_so_many() -> None:
    model = plain()
    with gdprops.watch(steps=3, every=10) as live:
        train(model, materials.sgd(model), 25)
    assert [(ledger.stretch, ledger.steps) for ledger in live.ledgers] == [(0, 3), (1, 3), (2, 3)]
    assert [event.step for event in live.ledgers[1].events if isinstance(event, StepBegins)] == [11, 12, 13]
    assert not live.findings
    assert "9 steps of optimizers watched in 3 stretches, each judged by itself" in str(live.report)


def test_what_goes_wrong_later_is_found_with_the_number_of_its_step() -> None:
    model = plain()
    optimizer = materials.sgd(model)
    with gdprops.watch(steps=4, every=10) as live:
        train(model, optimizer, 8)
        train(model, optimizer, 8, zeroes=False)
    finding = live.findings[0]
    assert (finding.clause, finding.step) == ("live.fresh-gradient", 11)
    assert "again for 0.weight, 0.bias, 2.weight and 2.bias: the step at test_stretches.py:" in finding.sentence


def test_between_stretches_only_steps_are_counted_and_afterwards_nothing_is_left() -> None:
    model = plain()
    optimizer, backward = materials.sgd(model), torch.autograd.backward
    counts = [len(optimizers._global_optimizer_post_hooks), len(modules._global_forward_hooks)]
    with gdprops.watch(steps=2, every=6):
        assert torch.autograd.backward is not backward
        train(model, optimizer, 3)
        assert torch.autograd.backward is backward
        assert model[0].weight._backward_hooks is None
        now = [len(optimizers._global_optimizer_post_hooks), len(modules._global_forward_hooks)]
        assert now == [counts[0] + 1, counts[1]]
        train(model, optimizer, 3)
        assert torch.autograd.backward is not backward
    assert [len(optimizers._global_optimizer_post_hooks), len(modules._global_forward_hooks)] == counts
    assert torch.autograd.backward is backward


def test_a_scheduler_after_the_step_before_a_stretch_is_not_early() -> None:
    model = plain()
    optimizer = materials.sgd(model)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
    with gdprops.watch(steps=2, every=5) as live:
        for inputs, targets in materials.batches(12):
            optimizer.zero_grad()
            mse(model(inputs), targets).backward()
            optimizer.step()
            scheduler.step()
    assert len(live.ledgers) == 3
    assert not live.findings


def test_a_window_that_a_later_stretch_begins_in_is_not_shifted() -> None:
    model, other = plain(), plain()
    often, seldom = materials.sgd(model), materials.sgd(other)
    with gdprops.watch(steps=9, every=10) as live:
        for index, (inputs, targets) in enumerate(materials.batches(40)):
            (mse(model(inputs), targets) + mse(other(inputs), targets)).backward()
            if index % 2:
                often.step()
                often.zero_grad()
            if index % 8 == 7:
                seldom.step()
                seldom.zero_grad()
    assert not live.findings


@pytest.mark.parametrize("every", [20, 0, True, 2.5])
def test_a_distance_that_does_not_exceed_a_stretch_is_refused(every: Any) -> None:
    with pytest.raises(gdprops.UsageError, match=rf"every={every!r}; expected a whole number above steps=20"):
        gdprops.watch(every=every)


def test_the_command_has_it_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    script = (
        "import torch\nmodel = torch.nn.Linear(3, 2)\noptimizer = torch.optim.SGD(model.parameters(), lr=0.1)\n"
        "for _ in range(12):\n    optimizer.zero_grad(); model(torch.randn(4, 3)).sum().backward(); optimizer.step()\n"
    )
    (tmp_path / "train.py").write_text(script, encoding="utf-8")
    assert main(["watch", "--steps", "2", "--every", "5", "train.py"]) == 0
    assert "note: 6 steps of optimizers watched in 3 stretches, each judged by itself\n" in capsys.readouterr().err
