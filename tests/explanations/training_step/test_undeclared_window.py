"""A right loop that accumulates, handed over with no window or with another one, is told what to declare."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from gdprops.subjects.training_step.subject import training_step
from tests.explanations.training_step.examples import instead, instead_of

TOLD = "the step moves at every {} call only: where it accumulates gradients, declare accumulate={}"


def accumulating(window: int, *, first: int = 1, updates: int = 12) -> Any:
    """Return a loop that accumulates, with a rate that a scheduler brings to 0 on the way."""

    def build(model: Any, loss_fn: Any) -> Any:
        optimizer, taken = torch.optim.SGD(model.parameters(), lr=0.05), first - 1
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=updates)

        def step(inputs: Any, targets: Any) -> None:
            nonlocal taken
            (loss_fn(model(inputs), targets) / window).backward()
            taken += 1
            if taken % window == 0:
                optimizer.step()
                scheduler.step()
                optimizer.zero_grad()

        return step, optimizer

    return build


def test_a_rate_of_0_on_the_way_does_not_hide_the_window() -> None:
    assert instead_of(accumulating(4)).text == TOLD.format("4th", 4)
    assert instead_of(accumulating(2)).text == TOLD.format("2nd", 2)


@pytest.mark.parametrize("declared", [2, 3, 8])
def test_another_window_is_declared(declared: int) -> None:
    found = instead_of(accumulating(4), accumulate=declared, micro="equal")
    assert found.text == f"{TOLD.format('4th', 4)} instead of accumulate={declared}"


def test_the_users_own_model_with_another_window() -> None:
    own = training_step(
        accumulating(4),
        name="own",
        accumulate=3,
        micro="equal",
        models=lambda: torch.nn.Linear(2, 1),
        batches=lambda k: (torch.full((2, 2), float(k % 5)), torch.ones(2, 1)),
        loss=torch.nn.MSELoss(),
    )
    found = instead(own)
    assert found is not None
    assert found.text == f"{TOLD.format('4th', 4)} instead of accumulate=3"


def test_a_shifted_window_is_no_other_window() -> None:
    assert "declare accumulate" not in instead_of(accumulating(3, first=3), accumulate=3, micro="equal").text
