"""Norms, windows, states and frozen parameters that go wrong only on several ranks; and ranks that lose each other."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from gdprops.faults.distributed_steps.named_ranks import (
    RATE,
    Built,
    average,
    faulty_ranks,
    gradients,
    sgd,
    shards,
    usual,
)
from gdprops.numerics.decisions import CLIP_GUARD

CLIP = 0.5
WINDOW = 2


def clip_before_reducing(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """Every rank clips its own gradient, before the mean."""

    def reduce() -> None:
        nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        average(gradients(model), world)

    return usual(model, loss_fn, reduce)


def scale_to(held: list[Tensor], square: Tensor) -> None:
    """Clip gradients by the root of a sum of squares."""
    factor = torch.clamp(CLIP / (square.sqrt() + CLIP_GUARD), max=1.0)
    for gradient in held:
        gradient.mul_(factor)


def count_the_norm_once_per_rank(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """The squares of replicated gradients are added over all ranks, as if they were shards."""

    def reduce() -> None:
        held = gradients(model)
        average(held, world)
        square = torch.stack([gradient.square().sum() for gradient in held]).sum()
        distributed.all_reduce(square)
        scale_to(held, square)

    return usual(model, loss_fn, reduce)


def clip_by_the_shard(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """Every rank clips by the norm of its own shards."""
    from torch.distributed.fsdp import fully_shard

    fully_shard(model)

    def reduce() -> None:
        held = [gradient.to_local() for gradient in shards(model)]
        scale_to(held, torch.stack([gradient.square().sum() for gradient in held]).sum())

    return usual(model, loss_fn, reduce)


def clip_by_the_largest_shard(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """The norm is the largest of the ranks' shards, and not that of all of them."""
    from torch.distributed.fsdp import fully_shard

    fully_shard(model)

    def reduce() -> None:
        held = [gradient.to_local() for gradient in shards(model)]
        square = torch.stack([gradient.square().sum() for gradient in held]).sum()
        distributed.all_reduce(square, distributed.ReduceOp.MAX)
        scale_to(held, square)

    return usual(model, loss_fn, reduce)


def accumulated(
    model: nn.Module, loss_fn: nn.Module, synchronized: Callable[[bool], bool], wrapped: DistributedDataParallel
) -> tuple[Callable[..., None], torch.optim.Optimizer]:
    """Return a step over windows; ``synchronized`` says of a micro-batch, the last or not, whether it is reduced."""
    optimizer = sgd(model)

    def step(inputs: Tensor, targets: Tensor, *, last: bool) -> None:
        wrapped.require_backward_grad_sync = synchronized(last)
        (loss_fn(wrapped(inputs), targets) / WINDOW).backward()
        if last:
            optimizer.step()
            optimizer.zero_grad()

    return step, optimizer


def never_reduce_the_window(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Any:
    """``no_sync`` is around the last micro-batch too."""
    wrapped = DistributedDataParallel(model)

    return accumulated(model, loss_fn, lambda last: False, wrapped)


def reduce_the_last_micro_batch(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Any:
    """Only the gradient of the last micro-batch is averaged: the earlier one remains each rank's own."""
    optimizer, earlier = sgd(model), list[Tensor]()

    def step(inputs: Tensor, targets: Tensor, *, last: bool) -> None:
        optimizer.zero_grad()
        (loss_fn(model(inputs), targets) / WINDOW).backward()
        if last:
            average(gradients(model), world)
            torch._foreach_add_(gradients(model), earlier)
            optimizer.step()
        earlier[:] = [gradient.clone() for gradient in gradients(model)]

    return step, optimizer


def move_what_is_frozen(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """After each step the ranks' weights are added, and only those that train are divided again."""
    optimizer = sgd(model)

    def step(inputs: Tensor, targets: Tensor) -> None:
        optimizer.zero_grad()
        loss_fn(model(inputs), targets).backward()
        optimizer.step()
        for p in model.parameters():
            distributed.all_reduce(p.data)
            p.data /= world if p.requires_grad else 1

    return step, optimizer


def forget_their_momentum(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """A parameter's owner changes from step to step, and its momentum stays behind."""
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE, momentum=0.5)
    turns = count()

    def step(inputs: Tensor, targets: Tensor) -> None:
        gather_gradients(model, loss_fn(model(inputs), targets), world)
        owned = [(p, (k + t) % world) for t in [next(turns)] for k, p in enumerate(model.parameters())]
        for p, owner in owned:
            p.grad = p.grad if owner == rank else None
        optimizer.step()
        for p, owner in owned:
            distributed.broadcast(p.data, owner)

    return step, optimizer


def gather_gradients(model: nn.Module, loss: Tensor, world: int) -> None:
    """Replace the gradients by the mean of all ranks' gradients of this loss."""
    model.zero_grad()
    torch.autograd.backward(loss)
    average(gradients(model), world)


def step_on_one_rank_only(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """Rank 0 steps, and nobody sends the weights to the others."""
    optimizer = sgd(model)

    def step(inputs: Tensor, targets: Tensor) -> None:
        optimizer.zero_grad()
        loss_fn(model(inputs), targets).backward()
        average(gradients(model), world)
        if rank == 0:
            optimizer.step()

    return step, optimizer


def wait_for_ever(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """The last rank averages its loss for a log that only it writes."""
    optimizer = sgd(model)

    def step(inputs: Tensor, targets: Tensor) -> None:
        optimizer.zero_grad()
        loss = loss_fn(model(inputs), targets)
        loss.backward()
        average(gradients(model), world)
        optimizer.step()
        if rank == world - 1 and world > 1:
            distributed.all_reduce(loss.detach())

    return step, optimizer


def reduce_on_one_rank_more(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """Rank 0 sends its loss to all, does not wait, and nobody takes it."""
    optimizer = sgd(model)

    def step(inputs: Tensor, targets: Tensor) -> None:
        optimizer.zero_grad()
        loss = loss_fn(model(inputs), targets)
        loss.backward()
        average(gradients(model), world)
        optimizer.step()
        if rank == 0 and world > 1:
            distributed.broadcast(loss.detach(), 0, async_op=True)

    return step, optimizer


def send_what_nobody_takes(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """Rank 0 sends its loss to the last rank for a log, which no longer asks for it."""
    optimizer = sgd(model)

    def step(inputs: Tensor, targets: Tensor) -> None:
        optimizer.zero_grad()
        loss = loss_fn(model(inputs), targets)
        loss.backward()
        average(gradients(model), world)
        optimizer.step()
        if rank == 0 and world > 1:
            distributed.isend(loss.detach(), world - 1)

    return step, optimizer


FAULTS = (
    faulty_ranks(
        clip_before_reducing,
        "clips each rank's own gradient, before the mean.",
        source="tensorflow/tensorflow#25806",
        clip_norm=CLIP,
    ),
    faulty_ranks(
        count_the_norm_once_per_rank,
        "adds the norm of replicas over all ranks.",
        source="pytorch/pytorch#88955",
        clip_norm=CLIP,
    ),
    faulty_ranks(
        clip_by_the_shard,
        "clips by the norm of each rank's shards.",
        source="areal-project/AReaL#312, sgl-project/SpecForge#663",
        clip_norm=CLIP,
    ),
    faulty_ranks(
        clip_by_the_largest_shard,
        "clips by the norm of the largest shard.",
        source="areal-project/AReaL#312",
        clip_norm=CLIP,
    ),
    faulty_ranks(
        never_reduce_the_window, "never reduces a window.", source="modelscope/FunASR#3472", accumulate=WINDOW
    ),
    faulty_ranks(reduce_the_last_micro_batch, "reduces a window's last micro-batch only.", accumulate=WINDOW),
    faulty_ranks(move_what_is_frozen, "adds the ranks' frozen weights up."),
    faulty_ranks(forget_their_momentum, "changes the owner of a parameter, and leaves its momentum behind."),
    faulty_ranks(step_on_one_rank_only, "steps on rank 0 only, and sends nothing."),
    faulty_ranks(wait_for_ever, "reduces a number on one rank only.", source="netket/netket#2272"),
    faulty_ranks(reduce_on_one_rank_more, "sends a number to all that nobody takes."),
    faulty_ranks(send_what_nobody_takes, "sends a number to one rank that never receives it."),
)
