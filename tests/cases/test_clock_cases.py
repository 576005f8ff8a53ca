"""Public bugs that needed a declaration: a scheduler that advances per micro-batch, an average that diverges."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

import gdprops


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.fc = nn.Linear(3, 4), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(torch.tanh(self.body(x)))  # type: ignore[no-any-return] # modules return Any


def batches(index: int) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(index)
    return torch.randn(6, 3, generator=g, dtype=torch.float64), torch.randn(6, 2, generator=g, dtype=torch.float64)


def reason(build: Any, clause: str, **declared: Any) -> str:
    subject = gdprops.training_step(build, name="mine", models=Net, batches=batches, loss=nn.MSELoss(), **declared)
    (found,) = gdprops.check(subject, clauses=clause, examples=2, seed=0).violations
    return str(found.reason)


def shrinking(optimizer: torch.optim.Optimizer) -> Any:
    return torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.9)


def test_a_scheduler_that_advances_per_micro_batch() -> None:
    """OneVision-Encoder#82, accelerate#963."""

    def build(model: nn.Module, loss_fn: Any) -> Any:
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        scheduler = shrinking(optimizer)

        def step(x: Tensor, y: Tensor) -> None:
            optimizer.zero_grad()
            loss_fn(model(x), y).backward()
            optimizer.step()
            for _ in range(4):
                scheduler.step()

        return step, optimizer

    said = reason(build, "clock.schedule", schedule=shrinking)
    assert said.endswith("the schedule advances 4 times per update")


def test_an_average_that_moves_away() -> None:
    """ai-toolkit#1034, diffusers#1864."""

    def build(model: nn.Module, loss_fn: Any) -> Any:
        optimizer, ema = torch.optim.SGD(model.parameters(), lr=0.1), copy.deepcopy(model)

        def step(x: Tensor, y: Tensor) -> None:
            optimizer.zero_grad()
            loss_fn(model(x), y).backward()
            optimizer.step()
            for e, p in zip(ema.parameters(), model.parameters(), strict=True):
                e.data.add_((e.data - p.data) * 0.01)

        return {"step": step, "optimizer": optimizer, "average": ema}

    said = reason(build, "clock.average", average=("ema", 0.99))
    assert said.endswith("is not 0.99 a + 0.01 w: it moves away from the weights: the sign is flipped")
