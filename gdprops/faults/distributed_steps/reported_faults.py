"""Mistakes on several processes that were reported of public projects, each in its smallest form."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from gdprops.faults.distributed_steps.named_ranks import (
    RATE,
    Built,
    average,
    correct_ranks,
    faulty_ranks,
    gradients,
    sgd,
    shards,
    usual,
)
from gdprops.faults.distributed_steps.update_faults import CLIP, scale_to


def reduce_the_loss(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """The loss is averaged over the ranks before its backward pass, which knows nothing of that."""
    optimizer = sgd(model)

    def step(inputs: Tensor, targets: Tensor) -> None:
        optimizer.zero_grad()
        loss = loss_fn(model(inputs), targets)
        distributed.all_reduce(loss.data)
        loss.data /= world
        loss.backward()
        optimizer.step()

    return step, optimizer


def shard_within_nodes(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """The mesh has nodes and ranks, and only the dimension of the ranks is handed on: nodes never meet."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh("cpu", (max(1, world // 2), min(2, world)), mesh_dim_names=("nodes", "ranks"))
    fully_shard(model, mesh=mesh["ranks"])
    return usual(model, loss_fn, lambda: None)


def forget_ignored_parameters(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """The first parameter is not sharded, and its gradient is then nobody's business."""
    from torch.distributed.fsdp import fully_shard

    fully_shard(model, ignored_params={next(model.parameters())})
    return usual(model, loss_fn, lambda: None)


def leave_replicas_behind(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """Every rank steps the parameters that it owns, and all but the first one are sent to the others."""
    optimizer = sgd(model)

    def step(inputs: Tensor, targets: Tensor) -> None:
        optimizer.zero_grad()
        loss_fn(model(inputs), targets).backward()
        average(gradients(model), world)
        for k, p in enumerate(model.parameters()):
            p.grad = p.grad if k % world == rank else None
        optimizer.step()
        for k, p in list(enumerate(model.parameters()))[1:]:
            distributed.broadcast(p.data, k % world)

    return step, optimizer


def average_the_weights(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """Every rank takes its own step of Adam, and then the weights are averaged."""
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)

    def step(inputs: Tensor, targets: Tensor) -> None:
        optimizer.zero_grad()
        loss_fn(model(inputs), targets).backward()
        optimizer.step()
        average([p.data for p in model.parameters()], world)

    return step, optimizer


def with_rows(model: nn.Module, loss_fn: nn.Module, world: int, chosen: Callable[[int, int, int], list[int]]) -> Built:
    """Return a step on some rows; ``chosen`` is given a rank's rows, the fewest and the most of any rank."""
    step, optimizer = usual(DistributedDataParallel(model), loss_fn, lambda: None)

    def dealt(inputs: Tensor, targets: Tensor) -> None:
        sizes = [torch.tensor(0) for _ in range(world)]
        distributed.all_gather(sizes, torch.tensor(len(inputs)))
        several = [int(size) for size in sizes]
        rows = chosen(len(inputs), min(several), max(several))
        step(inputs[rows], targets[rows])

    return dealt, optimizer


def pad_by_repeating_rows(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """Ranks with fewer rows repeat theirs until all have equally many."""

    def repeated(own: int, fewest: int, most: int) -> list[int]:
        return [k % own for k in range(most)]

    return with_rows(model, loss_fn, world, repeated)


def drop_the_last_rows(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """Ranks with more rows drop their last ones, so that all have equally many."""

    def dropped(own: int, fewest: int, most: int) -> list[int]:
        return list(range(fewest))

    return with_rows(model, loss_fn, world, dropped)


def add_one_gradient(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """The gradient of the last parameter, say of an expert, is added where the others are averaged."""

    def reduce() -> None:
        held = gradients(model)
        average(held, world)
        held[-1].mul_(world)

    return usual(model, loss_fn, reduce)


def gather_without_a_factor(model: nn.Module, loss_fn: Any, rank: int, world: int) -> Built:
    """The loss is that of all ranks' outputs, of which a rank differentiates its own; then the mean divides again."""

    def all_of(own: Tensor) -> Tensor:
        several = [torch.zeros_like(own) for _ in range(world)]
        distributed.all_gather(several, own.detach())
        several[rank] = own
        return torch.cat(several)

    def loss_of(outputs: Tensor, targets: Tensor) -> Tensor:
        loss: Tensor = loss_fn(all_of(outputs), all_of(targets))
        return loss

    return usual(DistributedDataParallel(model), loss_of, lambda: None)


def gathered_with_a_factor(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """The loss is that of all ranks' outputs, times the number of ranks."""

    def scaled(outputs: Tensor, targets: Tensor) -> Tensor:
        loss: Tensor = world * loss_fn(outputs, targets)
        return loss

    return gather_without_a_factor(model, scaled, rank, world)


def scale_a_local_mean(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """The loss is a mean over this rank's rows, and is multiplied by the number of ranks as if over all."""
    wrapped = DistributedDataParallel(model)

    def loss_of(outputs: Tensor, targets: Tensor) -> Tensor:
        loss: Tensor = loss_fn(outputs, targets) * world
        return loss

    return usual(wrapped, loss_of, lambda: None)


def count_replicated_shards(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """Shards are replicated between nodes, and the squares of all of them are added."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    fully_shard(model, mesh=init_device_mesh("cpu", (max(1, world // 2), min(2, world)), mesh_dim_names=("a", "b")))

    def reduce() -> None:
        held = [gradient.to_local() for gradient in shards(model)]
        square = torch.stack([gradient.square().sum() for gradient in held]).sum()
        distributed.all_reduce(square)
        scale_to(held, square)

    return usual(model, loss_fn, reduce)


ragged = partial(faulty_ranks, parts="ragged")
FAULTS = (
    faulty_ranks(reduce_the_loss, "averages the loss, and not its gradients.", source="NVIDIA/apex#664"),
    faulty_ranks(
        shard_within_nodes,
        "hands FSDP2 the inner dimension of a mesh only.",
        source="NVIDIA-NeMo/Automodel#3135, verl-project/verl#7493",
        world=4,
    ),
    faulty_ranks(
        forget_ignored_parameters, "never reduces what FSDP2 was told to ignore.", source="pytorch/pytorch#98281"
    ),
    faulty_ranks(
        leave_replicas_behind,
        "sends all parameters but one after each rank has stepped its own.",
        source="lodestone-rock/RamTorch#13",
    ),
    faulty_ranks(
        average_the_weights,
        "averages weights after a step of Adam on each rank.",
        source="horovod/horovod#651",
    ),
    ragged(
        pad_by_repeating_rows,
        "repeats rows on ranks that have fewer than others.",
        source="pytorch/pytorch#25162",
    ),
    ragged(drop_the_last_rows, "drops rows on ranks that have more than others.", source="pytorch/pytorch#41171"),
    faulty_ranks(
        add_one_gradient,
        "adds the gradient of one parameter, and averages the others.",
        source="pytorch/pytorch#160285, NVIDIA/Megatron-LM#5956",
    ),
    faulty_ranks(
        gather_without_a_factor,
        "averages gradients of a loss over gathered outputs, which lack a factor.",
        source="KevinMusgrave/pytorch-metric-learning#363, JohnGiorgi/DeCLUTR#212",
    ),
    faulty_ranks(
        scale_a_local_mean,
        "multiplies a mean over its own rows by the number of ranks.",
        source="NVIDIA-NeMo/Automodel#3830",
    ),
    faulty_ranks(
        count_replicated_shards,
        "counts shards in the norm once for each of their replicas.",
        source="ByteDance-Seed/VeOmni#862",
        clip_norm=CLIP,
        world=4,
    ),
)
TWINS = (correct_ranks(gathered_with_a_factor),)
