"""How distributed steps become faults and twins, and what most of them are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, distributed, nn

from gdprops.faults.fault import Fault, Twin
from gdprops.subjects.distributed_step.subject import distributed_step

RATE = 0.125
Step = Callable[[Tensor, Tensor], None]
Built = tuple[Step, torch.optim.Optimizer]


def faulty_ranks(
    build: Callable[..., Any], summary: str, *, source: str = "", world: int = 2, **declared: Any
) -> Fault:
    """Return the fault of a distributed step."""
    name = f"ranks-{build.__name__.replace('_', '-')}"
    return Fault(name, summary, source, lambda: distributed_step(build, world=world, name=name, **declared))


def correct_ranks(build: Callable[..., Any], *, world: int = 2, **declared: Any) -> Twin:
    """Return the twin of a distributed step."""
    name = f"ranks-{build.__name__.replace('_', '-')}"
    return Twin(name, subject=lambda: distributed_step(build, world=world, name=name, **declared))


def sgd(model: nn.Module) -> torch.optim.Optimizer:
    """Return plain gradient descent."""
    return torch.optim.SGD(model.parameters(), lr=RATE)


def average(tensors: Iterable[Tensor | None], world: int) -> None:
    """Replace tensors by their means over all ranks."""
    for tensor in tensors:
        if tensor is not None:
            distributed.all_reduce(tensor)
            tensor.div_(world)


def gradients(model: nn.Module) -> list[Tensor]:
    """Return the gradients that there are."""
    return [p.grad for p in model.parameters() if p.grad is not None]


def shards(model: nn.Module) -> list[Any]:
    """Return the gradients of a sharded model, which are DTensors."""
    return list(gradients(model))


def usual(
    model: nn.Module,
    loss_fn: Callable[[Tensor, Tensor], Tensor],
    reduce: Callable[[], None],
    optimizer: torch.optim.Optimizer | None = None,
) -> Built:
    """Return the usual step: gradients of this rank's rows, their reduction, and the optimizer."""
    used = sgd(model) if optimizer is None else optimizer

    def step(inputs: Tensor, targets: Tensor) -> None:
        used.zero_grad()
        torch.autograd.backward(loss_fn(model(inputs), targets))
        reduce()
        used.step()

    return step, used


def normalized() -> nn.Module:
    """Return a model with a batch normalization."""
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 1))


def smooth() -> nn.Module:
    """Return a model whose rows do not meet, with a layer of 18 numbers."""
    return nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))


def rows(i: int) -> tuple[Tensor, Tensor]:
    """Return the 16 rows of batch i."""
    inputs = torch.arange(32, dtype=torch.float64).reshape(16, 2) * (i + 3) % 7 - 3
    return inputs, inputs.sum(1, keepdim=True) / 4
