"""Layers that ranks share wrongly, and pipelines that lose a micro-batch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from gdprops.faults.distributed_steps.meshed_ranks import (
    BOTH,
    MICRO_BATCHES,
    average_over_data,
    by_columns,
    mesh_of,
    mesh_of_both,
    passed_on,
    scheduled,
    share,
    share_by_hand,
    summed,
)
from gdprops.faults.distributed_steps.named_ranks import Built, faulty_ranks, usual


def leave_partial_sums(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """The outputs of the last layer are each rank's own partial sums."""

    def rows(layer: Any, inputs: Tensor) -> Tensor:
        bias = None if layer.bias is None else layer.bias.to_local()
        return nn.functional.linear(inputs, layer.weight.to_local(), bias)

    share_by_hand(model, mesh_of(world), rows=rows)
    return usual(model, loss_fn, lambda: None)


def add_the_bias_on_every_rank(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """Every rank adds the bias to its partial sums, before these are summed."""

    def rows(layer: Any, inputs: Tensor) -> Tensor:
        bias = None if layer.bias is None else layer.bias.to_local()
        return summed(nn.functional.linear(inputs, layer.weight.to_local(), bias))

    share_by_hand(model, mesh_of(world), rows=rows)
    return usual(model, loss_fn, lambda: None)


def forget_the_backward_sum(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """What a layer that is shared by columns hands back to the one before it is each rank's own part."""

    def columns(layer: Any, inputs: Tensor) -> Tensor:
        bias = None if layer.bias is None else layer.bias.to_local()
        return nn.functional.linear(inputs, layer.weight.to_local(), bias)

    share_by_hand(model, mesh_of(world), columns=columns)
    return usual(model, loss_fn, lambda: None)


def seed_by_rank(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """Ranks that share layers are seeded as ranks with rows of their own are."""
    share_by_hand(model, mesh_of(world), columns=by_columns)
    torch.manual_seed(42 + rank)
    return usual(model, loss_fn, lambda: None)


def average_different_shards(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """Gradients are averaged over all ranks, those too that hold other shards."""
    from torch import distributed

    share(model, mesh_of_both(world)["tensor"])
    return usual(model, loss_fn, lambda: average_over_data(model, distributed.group.WORLD))


def step_before_the_last_micro_batch(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Any:
    """The first stage counts its micro-batches from 0, and steps one too early."""
    early = MICRO_BATCHES - 1 if world > 1 else MICRO_BATCHES

    def steps_at(number: int, own: int) -> bool:
        return number == (MICRO_BATCHES if own else early)

    return passed_on(model, loss_fn, rank, world, steps_at)


def add_micro_batches(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Any:
    """The gradients of the micro-batches are added, though the loss is a mean."""
    has_one_stage = world == 1
    schedule = "ScheduleGPipe"
    return scheduled(model, loss_fn, rank, world, schedule, scale_grads=has_one_stage)


FAULTS = (
    faulty_ranks(leave_partial_sums, "leaves each rank its partial sums of a layer.", layouts="tensor"),
    faulty_ranks(add_the_bias_on_every_rank, "adds a bias once for each rank.", layouts="tensor"),
    faulty_ranks(forget_the_backward_sum, "hands each rank's own part of a gradient back.", layouts="tensor"),
    faulty_ranks(seed_by_rank, "seeds ranks differently that share layers.", layouts="tensor"),
    faulty_ranks(average_different_shards, "averages shards of different parts.", layouts=BOTH, world=4),
    faulty_ranks(
        step_before_the_last_micro_batch, "lets a stage step before the last micro-batch.", layouts="pipeline"
    ),
    faulty_ranks(add_micro_batches, "adds the micro-batches of a schedule.", layouts="pipeline"),
)
