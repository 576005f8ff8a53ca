"""Gradients that are cleared before a later micro-batch of their window: which ones are lost is told."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from gdprops.model.verdict import Status
from gdprops.runner.session import check_subject
from gdprops.runner.settings import Settings
from gdprops.subjects.training_step.subject import training_step
from tests.explanations.training_step.examples import instead_of


def clears_before(which: int, *, window: int) -> Any:
    """Return a build whose step clears its gradients before a micro-batch of each window, counted from 1."""

    def build(model: Any, loss_fn: Any) -> Any:
        optimizer, taken = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9), 0

        def step(inputs: Any, targets: Any) -> None:
            nonlocal taken
            taken += 1
            if (taken - which) % window == 0:
                optimizer.zero_grad()
            (loss_fn(model(inputs), targets) / window).backward()
            if taken % window == 0:
                optimizer.step()

        return step, optimizer

    return build


@pytest.mark.parametrize(("which", "window"), [(2, 3), (3, 4)])
def test_the_gradients_before_are_lost(which: int, window: int) -> None:
    told = instead_of(clears_before(which, window=window), accumulate=window, micro="equal").text
    assert told.endswith(f"their losses each divided by their number, but they are cleared before micro-batch {which}")


def test_what_is_cleared_before_the_first_one_is_right() -> None:
    step = training_step(clears_before(1, window=3), name="first", accumulate=3, micro="equal")
    (found,) = check_subject(step, clauses="step.accumulation", settings=Settings(seed=0, examples=10)).verdicts
    assert found.status is Status.HELD
