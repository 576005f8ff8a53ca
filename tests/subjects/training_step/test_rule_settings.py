"""A declared rule beside another optimizer: what is made by hand beside a plain one is held to the rule."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from gdprops.errors import Unsupported, UsageError
from gdprops.model.verdict import Status
from gdprops.runner.session import check_subject
from gdprops.runner.settings import Settings
from gdprops.subjects.training_step.rule_settings import rule_settings
from gdprops.subjects.training_step.subject import training_step

DEFAULTS = {"lr": 0.1}


def test_the_rule_keeps_what_it_declares_and_takes_what_changes() -> None:
    rule, built = [{"lr": 0.1, "weight_decay": 0.01, "momentum": 0.9}], [{"lr": 0.1, "weight_decay": 0.0}]
    now = [{"lr": 0.025, "weight_decay": 0.0, "initial_lr": 0.1}]
    assert rule_settings(rule, built, DEFAULTS, now) == [{"lr": 0.025, "weight_decay": 0.01, "momentum": 0.9}]


def test_a_momentum_that_is_cycled_is_cycled_in_the_rule() -> None:
    rule, built = [{"lr": 0.1, "momentum": 0.9}], [{"lr": 0.004, "initial_lr": 0.004, "momentum": 0.95}]
    now = [{"lr": 0.05, "initial_lr": 0.004, "momentum": 0.85}]
    assert rule_settings(rule, built, DEFAULTS, now) == [{"lr": 0.05, "momentum": 0.85}]


def test_rates_of_other_groups_follow_in_proportion() -> None:
    rule, built = [{"lr": 0.1}, {"lr": 0.05}], [{"lr": 0.2}]
    assert rule_settings(rule, built, DEFAULTS, [{"lr": 0.2}]) == rule
    assert rule_settings(rule, built, DEFAULTS, [{"lr": 0.1}]) == [{"lr": 0.05}, {"lr": 0.025}]


def test_groups_that_come_and_go_are_not_followed() -> None:
    with pytest.raises(Unsupported, match="parameter groups change during training"):
        rule_settings([{"lr": 0.1}], [{"lr": 0.1}], DEFAULTS, [{"lr": 0.1}, {"lr": 0.1}])
    with pytest.raises(Unsupported, match="parameter groups change during training"):
        rule_settings([{"lr": 0.1}], [{"lr": 0.0}, {"lr": 0.1}], DEFAULTS, [{"lr": 0.1}, {"lr": 0.1}])


def with_l2_in_the_loss(strength: float) -> Any:
    """Plain SGD, and half the squares of all weights in the loss: the same as SGD with weight_decay."""

    def build(model: Any, loss_fn: Any) -> Any:
        optimizer = torch.optim.SGD(model.parameters(), lr=0.125)
        scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)

        def step(inputs: Any, targets: Any) -> None:
            optimizer.zero_grad()
            squares = sum((p**2).sum() for p in model.parameters())
            (loss_fn(model(inputs), targets) + strength / 2 * squares).backward()
            optimizer.step()
            scheduler.step()

        return step, optimizer

    return build


def rule(parameters: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=0.125, weight_decay=0.25)


@pytest.mark.parametrize(("strength", "status"), [(0.25, Status.HELD), (0.5, Status.VIOLATED)])
def test_a_decay_by_hand_is_held_to_the_declared_rule(strength: float, status: Status) -> None:
    subject = training_step(with_l2_in_the_loss(strength), name="mine", rule=rule)
    settings = Settings(seed=0, examples=15)
    (found,) = check_subject(subject, clauses=("step.simultaneous",), settings=settings).verdicts
    assert found.status is status


def test_a_step_that_does_what_its_optimizer_does_contradicts_another_rule() -> None:
    with pytest.raises(UsageError, match="rule= and the optimizer that it returns disagree: after step 1 on the same"):
        training_step(with_l2_in_the_loss(0.0), name="mine", rule=rule)
