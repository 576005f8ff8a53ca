"""A fault that sets in late is told with the step at which it does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from tests.explanations.training_step.examples import instead_of
from tests.samples import training_steps


@pytest.mark.parametrize(
    ("build", "text", "clause"),
    [
        (
            training_steps.doubles_from_the_third_step_on,
            "from step 3 on backward starts from 2 times the loss (training_steps.py:299)",
            "step.simultaneous",
        ),
        (
            training_steps.zeroes_until_the_third_step,
            "from step 3 on the gradient is added to what the step before left",
            "step.fresh-gradient",
        ),
        (training_steps.zeroes_too_late_from_the_third_step_on, "from step 3 on no gradient is used", "step.moves-all"),
        (training_steps.doubles_from_the_fifth_step_on, "from step 5 on the gradient is doubled", "step.simultaneous"),
    ],
)
def test_what_begins_later_is_told_with_its_step(build: Callable[..., Any], text: str, clause: str) -> None:
    found = instead_of(build)
    assert found.text == text
    assert found.clause == clause
    assert found.constants is not None
    assert found.constants >= 1


def test_a_rate_in_force_that_is_not_the_declared_one_is_told() -> None:
    found = instead_of(training_steps.scheduler_first, lr=0.1)
    assert found.text == (
        "the optimizer is called with another learning rate than the declared one (a scheduler has moved it)"
    )
    assert found.constants == 0


def test_a_step_before_any_gradient_leaves_momentum_nothing_to_start_from() -> None:
    def build(model: Any, loss_fn: Any) -> Any:
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.5)

        def step(inputs: Any, targets: Any) -> None:
            optimizer.step()
            optimizer.zero_grad()
            loss_fn(model(inputs), targets).backward()

        return step, optimizer

    assert instead_of(build).text == (
        "at step 1 nothing moves: the optimizer is called before any gradient exists; from step 2 on the last step's "
        "gradient is used (stale)"
    )


def test_gradients_that_are_cleared_now_and_then_are_told_with_the_steps() -> None:
    def build(model: Any, loss_fn: Any) -> Any:
        optimizer, taken = torch.optim.SGD(model.parameters(), lr=0.05), 0

        def step(inputs: Any, targets: Any) -> None:
            nonlocal taken
            if taken % 2 == 0:
                optimizer.zero_grad()
            taken += 1
            loss_fn(model(inputs), targets).backward()
            optimizer.step()

        return step, optimizer

    assert instead_of(build).text == (
        "at every other step (2, …) the gradient is added to the last step's; at the others the step is right"
    )
