"""A parameter that only some ranks reach, moved wrongly; and the right ways to move it."""

from __future__ import annotations

import torch
from torch import distributed, nn

from gdprops.faults.distributed_steps.named_ranks import (
    RATE,
    Built,
    average,
    correct_ranks,
    faulty_ranks,
    gradients,
    usual,
)


def with_zeros(model: nn.Module) -> None:
    """Give every trainable parameter a gradient, of zeros where this rank's rows do not reach it."""
    for p in model.parameters():
        if p.requires_grad and p.grad is None:
            p.grad = torch.zeros_like(p)


def average_over_those_that_reach(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """A gradient is divided by the number of ranks that have one."""

    def reduce() -> None:
        there = torch.tensor([float(p.grad is not None) for p in model.parameters()])
        distributed.all_reduce(there)
        with_zeros(model)
        for p, count in zip(model.parameters(), there, strict=True):
            if p.grad is not None:
                distributed.all_reduce(p.grad)
                p.grad /= count.clamp(min=1)

    return usual(model, loss_fn, reduce)


def move_only_where_reached(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """All ranks take part in the mean, and those without a gradient of their own do not use it."""

    def reduce() -> None:
        missing = [p for p in model.parameters() if p.requires_grad and p.grad is None]
        with_zeros(model)
        average(gradients(model), world)
        for p in missing:
            p.grad = None

    return usual(model, loss_fn, reduce)


def averaged_with_zeros(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """What a rank does not reach counts as zeros in the mean."""

    def reduce() -> None:
        with_zeros(model)
        average(gradients(model), world)

    return usual(model, loss_fn, reduce)


def decayed_with_zeros(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """With decay and momentum: what no rank reaches is decayed, as its gradient is one of zeros."""
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE, momentum=0.5, weight_decay=0.5)

    def reduce() -> None:
        with_zeros(model)
        average(gradients(model), world)

    return usual(model, loss_fn, reduce, optimizer)


FAULTS = (
    faulty_ranks(
        average_over_those_that_reach,
        "divides a gradient by the number of ranks that have one, and not by all.",
        source="NVIDIA/Megatron-LM#7160",
    ),
    faulty_ranks(
        move_only_where_reached,
        "moves a parameter only on those ranks whose rows reach it.",
        source="pytorch/pytorch#128949",
    ),
)
TWINS = (
    correct_ranks(averaged_with_zeros),
    correct_ranks(decayed_with_zeros),
)
