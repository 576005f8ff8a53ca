"""Gradients clipped as declared, in both legitimate forms, and by a hook of the optimizer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import gdprops
from gdprops.subjects.training_step.clipping import clipped, clipped_without_guard

THREE_AND_FOUR = [np.array([3.0]), None, np.array([4.0])]


def test_both_forms_clip_the_norm_of_all_tensors() -> None:
    a, missing, b = clipped(list(THREE_AND_FOUR), 1.0, None)
    assert missing is None
    assert a == pytest.approx(3 / (5 + 1e-6))
    assert b == pytest.approx(4 / (5 + 1e-6))
    assert clipped(list(THREE_AND_FOUR), None, 3.5) == [3.0, None, 3.5]
    assert clipped(list(THREE_AND_FOUR), None, None) == THREE_AND_FOUR
    other = clipped_without_guard(THREE_AND_FOUR, 1.0)
    assert other is not None
    assert other[0] == pytest.approx(0.6)
    assert clipped_without_guard(THREE_AND_FOUR, 6.0) is None


def batches(index: int) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(index)
    return torch.randn(4, 3, generator=g), torch.randn(4, 2, generator=g)


def hooked(norm: float) -> Any:
    """Return a build whose optimizer clips to a norm in a hook before each of its steps."""

    def build(m: Any, loss_fn: Any) -> Any:
        optimizer = torch.optim.SGD(m.parameters(), lr=0.125, momentum=0.5)

        def clips(*_: Any) -> None:
            nn.utils.clip_grad_norm_(m.parameters(), norm)

        optimizer.register_step_pre_hook(clips)

        def step(x: Tensor, y: Tensor) -> None:
            optimizer.zero_grad()
            loss_fn(m(x), y).backward()
            optimizer.step()

        return step, optimizer

    return build


@pytest.mark.nightly
@pytest.mark.parametrize(("norm", "status"), [(0.2, "held"), (float("inf"), "violated")])
def test_a_hook_of_the_optimizer_that_clips_is_what_is_declared(norm: float, status: str) -> None:
    subject = gdprops.training_step(
        hooked(norm),
        name="mine",
        models=lambda: nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 2)),
        batches=batches,
        loss=nn.MSELoss(),
        clip_norm=0.2,
    )
    (found,) = gdprops.check(subject, clauses="step.simultaneous", examples=5, seed=0).verdicts
    assert found.status == status, found.reason
