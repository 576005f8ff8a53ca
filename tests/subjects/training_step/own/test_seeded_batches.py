"""A function that makes batches may seed torch's random numbers: the loss of a model with dropout is still one."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

import gdprops


def _batch(index: int) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(index)
    return torch.randn(4, 3), torch.randn(4, 2)


def _build(model: nn.Module, loss_fn: Any) -> Any:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def step(inputs: Any, targets: Any) -> None:
        optimizer.zero_grad()
        loss_fn(model(inputs), targets).backward()
        optimizer.step()

    return step, optimizer


def test_batches_that_seed_the_random_numbers_leave_dropout_deterministic() -> None:
    step = gdprops.training_step(
        _build,
        models=lambda: nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), nn.Linear(8, 2)),
        batches=_batch,
        loss=nn.functional.mse_loss,
    )
    report = gdprops.check(step, clauses="step.simultaneous", examples=5, seed=0)
    assert [v.status for v in report.verdicts if v.about == "subject"] == ["held"], str(report)
