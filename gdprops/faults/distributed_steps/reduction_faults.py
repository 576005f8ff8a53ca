"""Gradients that are put together wrongly, or not everywhere."""

from __future__ import annotations

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from gdprops.faults.distributed_steps.named_ranks import (
    Built,
    average,
    faulty_ranks,
    gradients,
    sgd,
    usual,
)


def sum_for_the_mean(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """The gradients of all ranks are added, and not averaged."""

    def reduce() -> None:
        for gradient in gradients(model):
            distributed.all_reduce(gradient)

    return usual(model, loss_fn, reduce)


def divide_twice(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """The wrapper averages, and the loss is divided by the number of ranks besides."""
    wrapped = DistributedDataParallel(model)

    def loss_of(outputs: Tensor, targets: Tensor) -> Tensor:
        loss: Tensor = loss_fn(outputs, targets) / world
        return loss

    return usual(wrapped, loss_of, lambda: None)


def reduce_nothing(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """Every rank trains by its own rows: the wrapper is made, and the module inside it is called."""
    wrapped = DistributedDataParallel(model)
    inside = wrapped.module
    return usual(inside, loss_fn, lambda: None)


def leave_one_parameter_out(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """The first parameter is frozen when the model is wrapped, and trains from then on: nobody reduces it."""
    first = next(p for p in model.parameters() if p.requires_grad)
    first.requires_grad_(False)
    wrapped: nn.Module = model
    if any(p.requires_grad for p in model.parameters()):
        wrapped = DistributedDataParallel(model)
    first.requires_grad_(True)
    return usual(wrapped, loss_fn, lambda: None)


def wrap_all_but_the_last_layer(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """The last layer is put behind the wrapper, as a head is, and nobody reduces it."""
    *layers, head = model.children()
    body: nn.Module = nn.Sequential(*layers)
    if any(p.requires_grad for p in body.parameters()):
        body = DistributedDataParallel(body)
    return usual(nn.Sequential(body, head), loss_fn, lambda: None, sgd(model))


def step_before_reducing(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """The optimizer steps before the gradients are averaged."""
    optimizer = sgd(model)

    def step(inputs: Tensor, targets: Tensor) -> None:
        optimizer.zero_grad()
        loss_fn(model(inputs), targets).backward()
        optimizer.step()
        average(gradients(model), world)

    return step, optimizer


def reduce_to_one_rank(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """The mean is computed on rank 0 alone; the others step by their own gradients."""

    def reduce() -> None:
        for gradient in gradients(model):
            distributed.reduce(gradient, 0)
            if rank == 0:
                gradient.div_(world)

    return usual(model, loss_fn, reduce)


def reduce_a_copy(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """What is averaged is a contiguous copy of each gradient, and never copied back."""

    def reduce() -> None:
        average([gradient.t().clone().contiguous() for gradient in gradients(model)], world)

    return usual(model, loss_fn, reduce)


def average_within_a_node(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """Ranks are averaged in pairs, and the pairs never: on two ranks nothing shows."""
    groups = [distributed.new_group(list(range(k, min(k + 2, world)))) for k in range(0, world, 2)]
    mine = groups[rank // 2]

    def reduce() -> None:
        for gradient in gradients(model):
            distributed.all_reduce(gradient, group=mine)
            gradient.div_(distributed.get_world_size(mine))

    return usual(model, loss_fn, reduce)


def hold_another_order(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """One rank joins its gradients in another order than the others, in one flat buffer of the same size."""

    def reduce() -> None:
        held = gradients(model)[:: -1 if rank == 1 else 1]
        flat = torch.cat([gradient.reshape(-1) for gradient in held])
        average([flat], world)
        for gradient, mean in zip(held, torch.split(flat, [g.numel() for g in held]), strict=True):
            gradient.copy_(mean.view_as(gradient))

    return usual(model, loss_fn, reduce)


def train_on_the_first_rows(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """Every rank trains on the rows of rank 0, as without a sampler for several processes."""
    optimizer = sgd(model)

    def step(inputs: Tensor, targets: Tensor) -> None:
        distributed.broadcast(inputs, 0)
        distributed.broadcast(targets, 0)
        optimizer.zero_grad()
        loss_fn(model(inputs), targets).backward()
        average(gradients(model), world)
        optimizer.step()

    return step, optimizer


def skip_alone(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """A rank whose own loss is larger than the mean skips its step, and no other one hears of it."""
    optimizer = sgd(model)

    def step(inputs: Tensor, targets: Tensor) -> None:
        optimizer.zero_grad()
        loss = loss_fn(model(inputs), targets)
        mean = loss.detach().clone()
        loss.backward()
        average([mean, *gradients(model)], world)
        if loss <= mean:
            optimizer.step()

    return step, optimizer


def mean_of_means(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """Ranks with different numbers of rows count alike."""
    wrapped = DistributedDataParallel(model)

    return usual(wrapped, loss_fn, lambda: None)


FAULTS = (
    faulty_ranks(
        sum_for_the_mean, "adds the ranks' gradients where a mean was meant.", source="neuralmagic/sparseml#135"
    ),
    faulty_ranks(
        divide_twice,
        "divides by the number of ranks twice, in the wrapper and in the loss.",
        source="verl-project/verl-SpeCo#29",
    ),
    faulty_ranks(
        reduce_nothing,
        "calls the module inside the wrapper: no rank hears of the others.",
        source="kohya-ss/sd-scripts#924, OpenTSLM/OpenTSLM#49",
    ),
    faulty_ranks(
        leave_one_parameter_out,
        "unfreezes a parameter after wrapping: nobody reduces it.",
        source="pytorch/pytorch#12603",
    ),
    faulty_ranks(wrap_all_but_the_last_layer, "wraps all layers but the last one."),
    faulty_ranks(step_before_reducing, "steps before the gradients are averaged."),
    faulty_ranks(reduce_to_one_rank, "reduces to rank 0 alone."),
    faulty_ranks(
        reduce_a_copy, "averages a copy of each gradient, which nobody uses.", source="NVIDIA/Megatron-LM#5337"
    ),
    faulty_ranks(average_within_a_node, "averages within pairs of ranks only.", world=4),
    faulty_ranks(hold_another_order, "joins gradients in another order on one rank."),
    faulty_ranks(train_on_the_first_rows, "gives all ranks the rows of rank 0."),
    faulty_ranks(skip_alone, "lets one rank skip its step alone."),
    faulty_ranks(
        mean_of_means,
        "averages the means of ranks with different numbers of rows.",
        source="facebookresearch/fairchem#269",
        parts="ragged",
    ),
)
