"""A step that copies make again elsewhere: what is decided, what is not, and that the run notices nothing."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import gdprops
from gdprops.faults.watched_runs import materials
from gdprops.faults.watched_runs.wrong_order import shares_momentum
from gdprops.watching import copied_step
from gdprops.watching.copied_step import CopiedStep, is_separable
from gdprops.watching.session import watched

plain: Any = materials.plain
mse: Any = materials.mse


def rule_of(make: Callable[[Any], torch.optim.Optimizer], *, steps: int = 4) -> tuple[str, str]:
    """Return how live.rule ends for a training with an optimizer, and why."""
    with gdprops.watch(rule=True) as live:
        model = plain()
        optimizer = make(model.parameters())
        for inputs, targets in materials.batches(steps):
            optimizer.zero_grad()
            mse(model(inputs), targets).backward()
            optimizer.step()
    verdict = live.report["live.rule"]
    return verdict.status.value, verdict.reason


class CountsTensors(torch.optim.SGD):
    """SGD whose rate falls with a count that every tensor advances."""

    count = 0

    def step(self, closure: Any = None) -> None:  # type: ignore[override] # returns no loss
        for group in self.param_groups:
            for parameter in group["params"]:
                self.count += 1
                parameter.data.add_(parameter.grad, alpha=-group["lr"] / self.count)


class Prints(torch.optim.SGD):
    """SGD that prints, draws a random number, and counts its calls in a list."""

    calls: list[int] = []  # noqa: RUF012 - shared on purpose: a copy in this process would be seen

    def step(self, closure: Any = None) -> Any:
        print("steps")
        torch.rand(1)
        self.calls.append(1)
        return super().step(closure)


@pytest.mark.parametrize(
    "make",
    [
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
        lambda p: torch.optim.AdamW(p, lr=0.01),
        lambda p: torch.optim.RMSprop([{"params": list(p)}], lr=0.01),
    ],
    ids=["SGD", "AdamW", "RMSprop"],
)
def test_optimizers_of_torch_hold(make: Any) -> None:
    assert rule_of(make) == ("held", "")


def test_tensors_that_share_their_state_are_named() -> None:
    with gdprops.watch(rule=True) as live:
        shares_momentum()
    (finding,) = [one for one in live.findings if one.clause == "live.rule"]
    assert finding.parameters == ("2.weight",)
    assert finding.sentence.endswith(
        "moves 2.weight otherwise than a copy of it that holds that tensor alone: what happens to one tensor depends "
        "on others"
    )


def test_classes_that_couple_tensors_or_cannot_be_made_again_are_not_decided() -> None:
    coupled = "tensors of CountsTensors depend on each other, or no second one can be made"
    assert rule_of(lambda p: CountsTensors(p, lr=0.1)) == ("not-applicable", coupled)

    class Needs(torch.optim.SGD):
        def __init__(self, params: Any, secret: object) -> None:
            super().__init__(params, lr=0.1)

    assert rule_of(lambda p: Needs(p, object())) == ("not-applicable", "a copy of Needs raised TypeError")


def test_few_steps_and_runs_without_the_option_are_not_decided() -> None:
    why = "no step was made again by copies of its optimizer (--rule)"
    assert rule_of(lambda p: torch.optim.SGD(p, lr=0.1), steps=2) == ("not-applicable", why)
    with gdprops.watch() as live:
        shares_momentum()
    assert (live.report["live.rule"].status, live.report["live.rule"].reason) == ("not-applicable", why)


def children() -> set[str]:
    """Return the processes that this one has started, finished ones that nobody waited for included."""
    return {line for task in Path("/proc/self/task").iterdir() for line in (task / "children").read_text().split()}


def test_the_run_notices_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    def run() -> list[float]:
        torch.manual_seed(5)
        Prints.calls.clear()
        model = nn.Linear(3, 2)
        optimizer = Prints(model.parameters(), lr=0.1)
        for inputs, targets in materials.batches(4):
            optimizer.zero_grad()
            mse(model(inputs), targets).backward()
            optimizer.step()
        return [*model.weight.detach().reshape(-1).tolist(), float(torch.rand(1)), float(len(Prints.calls))]

    bare, before = run(), children()
    seen: list[list[float]] = []
    watched(lambda: seen.append(run()), copies=True)
    assert seen == [bare]
    assert capfd.readouterr().out.count("steps\n") == 8
    assert children() == before


def test_a_hooked_optimizer_and_a_large_one_are_not_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    def hooked(parameters: Any) -> torch.optim.Optimizer:
        optimizer = torch.optim.SGD(parameters, lr=0.1)
        optimizer.register_step_pre_hook(lambda *_: None)
        return optimizer

    assert rule_of(hooked)[0] == "not-applicable"
    monkeypatch.setattr(copied_step, "MOST_ENTRIES", 10)
    assert rule_of(lambda p: torch.optim.SGD(p, lr=0.1))[0] == "not-applicable"


def test_copies_that_never_answer_are_not_waited_for() -> None:
    reads, writes = os.pipe()
    assert CopiedStep(3, 1, reads).compare(patience=0.05) == (
        "the copies of the optimizer did not come back",
        frozenset(),
    )
    os.close(writes)


def test_separability_is_measured_with_what_the_class_takes() -> None:
    assert is_separable(torch.optim.AdamW, {"lr": 0.01, "no such word": 1})
    assert not is_separable(CountsTensors, {"lr": 0.1})
