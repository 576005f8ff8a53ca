"""What the graph of a loss says: its forward passes, the losses of earlier calls, means and scales."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from gdprops.faults.watched_runs import materials
from gdprops.faults.watched_runs.materials import sgd
from gdprops.model.ledger import BackwardBegins, Forward, SchedulerStep, StepBegins
from gdprops.watching.loss_graph import bare_leaves, mark_scaled, weight_of
from gdprops.watching.session import watched

plain: Any = materials.plain
mse: Any = materials.mse


def events(run: Any, kind: type[Any]) -> list[Any]:
    (ledger,) = watched(run)
    return [event for event in ledger.events if type(event) is kind]


def test_a_call_knows_the_forward_passes_in_its_graph() -> None:
    def run() -> None:
        model, head = plain(), nn.Linear(2, 2)
        first, second = model(torch.randn(4, 3)), head(model(torch.randn(4, 3)))
        mse(second, torch.zeros(4, 2)).backward()
        mse(first, torch.zeros(4, 2)).backward()
        sgd(model).step()

    assert [(e.module, e.number) for e in events(run, Forward)] == [(1, 1), (1, 2), (2, 3)]
    assert [set(e.looks) for e in events(run, BackwardBegins)] == [{2, 3}, {1}]


def test_a_call_knows_the_earlier_losses_in_its_graph() -> None:
    def run() -> None:
        model = plain()
        loss = mse(model(torch.randn(4, 3)), torch.zeros(4, 2))
        loss.backward(retain_graph=True)
        (loss + model[0].weight.sum()).backward(retain_graph=True)
        mse(model(torch.randn(4, 3)), torch.zeros(4, 2)).backward()
        loss.backward()
        sgd(model).step()

    assert [set(e.contains) for e in events(run, BackwardBegins)] == [set(), {1}, set(), {1}]


def test_rows_of_a_jacobian_are_no_losses() -> None:
    def run() -> None:
        model = plain()
        outputs = model(torch.randn(4, 3))
        for row in torch.eye(4)[:2]:
            outputs.backward(torch.stack([row, row], 1), retain_graph=True)
        sgd(model).step()

    assert [set(e.contains) for e in events(run, BackwardBegins)] == [set(), set()]


def test_a_criterion_is_no_look_and_a_module_in_inference_mode_marks_nothing() -> None:
    def run() -> None:
        model: Any = plain()
        criterion: Any = nn.MSELoss()
        with torch.inference_mode():
            model(torch.randn(4, 3))
        criterion(model(torch.randn(4, 3)), torch.zeros(4, 2)).backward()
        sgd(model).step()

    assert [set(e.looks) for e in events(run, BackwardBegins)] == [{1}]


@pytest.mark.parametrize(
    ("loss", "reached"),
    [
        (lambda scaled, bare, one: scaled + bare, True),
        (lambda scaled, bare, one: scaled, False),
        (lambda scaled, bare, one: scaled + bare * 2.0**16, False),
        (lambda scaled, bare, one: scaled + one * 2.0**16 * bare, False),
        (lambda scaled, bare, one: torch.add(scaled, bare, alpha=2.0**16), False),
        (lambda scaled, bare, one: scaled + bare / 2.0**-16, False),
        (lambda scaled, bare, one: (scaled - bare / 10) / 2, True),
    ],
)
def test_what_a_loss_reaches_past_what_was_scaled(loss: Any, reached: bool) -> None:
    weight, scaler = torch.ones(2, requires_grad=True), torch.amp.GradScaler("cpu", init_scale=2.0**16)
    scaled = scaler.scale(weight.sum())
    mark_scaled(scaled)
    found = bare_leaves([loss(scaled, weight.square().sum(), torch.ones(()))], 2.0**16)
    assert [one is weight for one in found] == [True] * reached


def test_what_an_earlier_call_has_freed_is_not_read() -> None:
    weight = torch.ones(2, requires_grad=True)
    square: Any = weight.square().sum() * weight.sum()
    square.backward()
    assert bare_leaves([square + weight.sum()], 2.0**16) == []


def test_a_loss_is_weighted_by_numbers_but_for_the_scale() -> None:
    weight, scaler = torch.ones(2, requires_grad=True), torch.amp.GradScaler("cpu", init_scale=1024.0)
    scaled = scaler.scale(weight.sum() / 4)
    mark_scaled(scaled)
    assert weight_of([scaled]) == weight_of([0.25 * weight.sum()]) == 0.25
    assert weight_of([weight.sum()]) == weight_of([weight.sum(), weight.sum()]) == 1.0


@pytest.mark.filterwarnings("ignore:Detected call of")
def test_a_scheduler_of_a_wrappers_base_is_the_wrappers() -> None:
    def run() -> None:
        model = plain()
        base = sgd(model)

        class Wrapper(torch.optim.SGD):
            pass

        wrapper = Wrapper(model.parameters(), lr=0.1)
        wrapper.param_groups = base.param_groups
        scheduler = torch.optim.lr_scheduler.ExponentialLR(base, 0.9)
        for _ in range(2):
            mse(model(torch.randn(4, 3)), torch.zeros(4, 2)).backward()
            wrapper.step()
            scheduler.step()

    assert {e.optimizer for e in events(run, StepBegins)} == {e.optimizer for e in events(run, SchedulerStep)}
