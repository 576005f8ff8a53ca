"""Buffers that ranks do not share, and random numbers that they do share; and the right ways."""

from __future__ import annotations

from itertools import count
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from gdprops.faults.distributed_steps.named_ranks import (
    Built,
    average,
    correct_ranks,
    faulty_ranks,
    gradients,
    normalized,
    rows,
    smooth,
    usual,
)


def synchronize_floats_only(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """Buffers of rank 0 are sent to all ranks, and those that count in integers are forgotten."""

    def reduce() -> None:
        average(gradients(model), world)
        for buffer in model.buffers():
            if buffer.is_floating_point():
                distributed.broadcast(buffer, 0)

    return usual(model, loss_fn, reduce)


def never_share_statistics(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """Each rank normalizes in evaluation by the statistics of its own rows."""
    wrapped = DistributedDataParallel(model, broadcast_buffers=False)
    step, optimizer = usual(wrapped, loss_fn, lambda: None)
    return step, optimizer


def seed_all_alike(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """One seed for a run that can be repeated, on every rank."""
    wrapped = DistributedDataParallel(model)
    torch.manual_seed(42)
    return usual(wrapped, loss_fn, lambda: None)


def seed_every_step_alike(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """The number of the step is the seed, on every rank."""
    steps = count()
    step, optimizer = usual(model, loss_fn, lambda: average(gradients(model), world))

    def seeded(inputs: Tensor, targets: Tensor) -> None:
        torch.manual_seed(next(steps))
        step(inputs, targets)

    return seeded, optimizer


def seeded_by_rank(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """One seed for a run that can be repeated, and the rank added to it."""
    wrapped = DistributedDataParallel(model)
    torch.manual_seed(42 + rank)
    return usual(wrapped, loss_fn, lambda: None)


def with_all_buffers(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """All buffers of rank 0 are sent to all ranks after each step."""

    def reduce() -> None:
        average(gradients(model), world)
        for buffer in model.buffers():
            distributed.broadcast(buffer, 0)

    return usual(model, loss_fn, reduce)


def with_shared_statistics(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """DistributedDataParallel sends the statistics of rank 0 when the next forward pass begins."""
    return usual(DistributedDataParallel(model), loss_fn, lambda: None)


def with_own_models(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """DistributedDataParallel around a model of the user's own."""
    return usual(DistributedDataParallel(model), loss_fn, lambda: None)


OWN: dict[str, Any] = {"models": normalized, "batches": rows, "loss": nn.functional.mse_loss}
FAULTS = (
    faulty_ranks(
        synchronize_floats_only,
        "sends the float buffers of rank 0 to all ranks, and not the integer ones.",
        source="facebookresearch/ClassyVision#304",
    ),
    faulty_ranks(
        never_share_statistics,
        "leaves the statistics of a batch normalization to each rank.",
        source="huggingface/pytorch-image-models#110",
        **OWN,
    ),
    faulty_ranks(seed_all_alike, "seeds all ranks alike before training.", source="huggingface/transformers#31412"),
    faulty_ranks(
        seed_every_step_alike, "seeds all ranks alike before each step.", source="facebookresearch/fastMRI#123"
    ),
)
TWINS = (
    correct_ranks(seeded_by_rank),
    correct_ranks(with_shared_statistics, **OWN),
    correct_ranks(with_own_models, models=smooth, batches=rows, loss=nn.functional.mse_loss),
    correct_ranks(with_all_buffers),
)
