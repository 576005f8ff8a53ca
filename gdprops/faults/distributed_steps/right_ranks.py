"""Right steps on several processes, in the forms in which people write them.

What takes long to import is imported by those that use it, on their ranks.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from gdprops.faults.distributed_steps.named_ranks import (
    RATE,
    Built,
    average,
    correct_ranks,
    gradients,
    sgd,
    shards,
    usual,
)
from gdprops.faults.distributed_steps.update_faults import CLIP, WINDOW, accumulated, scale_to


def wrapped_in_ddp(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """DistributedDataParallel, as it is."""
    return usual(DistributedDataParallel(model), loss_fn, lambda: None)


def wrapped_with_options(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """DistributedDataParallel that looks for unused parameters, with views of its buckets as gradients and a hook."""
    from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import allreduce_hook

    wrapped = DistributedDataParallel(model, find_unused_parameters=True, gradient_as_bucket_view=True)
    wrapped.register_comm_hook(None, allreduce_hook)
    return usual(wrapped, loss_fn, lambda: None)


def wrapped_with_a_static_graph(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """DistributedDataParallel with a static graph."""
    return usual(DistributedDataParallel(model, static_graph=True), loss_fn, lambda: None)


def fully_sharded(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """FSDP2, each layer and the whole."""
    from torch.distributed.fsdp import fully_shard

    for layer in model.children():
        if any(True for _ in layer.parameters()) and not shares_parameters(model):
            fully_shard(layer)
    fully_shard(model)
    return usual(model, loss_fn, lambda: None)


def shares_parameters(model: nn.Module) -> bool:
    """Say whether two layers share a parameter: FSDP2 then keeps them in one group."""
    return len(list(model.named_parameters(remove_duplicate=False))) > len(list(model.parameters()))


def sharded_and_kept(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """FSDP2 that keeps the whole parameters after the forward pass, with momentum."""
    from torch.distributed.fsdp import fully_shard

    fully_shard(model, reshard_after_forward=False)
    return usual(model, loss_fn, lambda: None, torch.optim.SGD(model.parameters(), lr=RATE, momentum=0.5))


def sharded_within_nodes(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """FSDP2 on a mesh of two dimensions: sharded in pairs, replicated between them."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh("cpu", (max(1, world // 2), min(2, world)), mesh_dim_names=("nodes", "ranks"))
    fully_shard(model, mesh=mesh)
    return usual(model, loss_fn, lambda: None)


def sharded_and_clipped(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """FSDP2, clipped by the norm over all shards."""
    from torch.distributed.fsdp import fully_shard

    fully_shard(model)

    def clip() -> None:
        nn.utils.clip_grad_norm_(model.parameters(), CLIP)

    return usual(model, loss_fn, clip)


def shard_norms_added(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """FSDP2, clipped by hand: the squares of the shards are added over all ranks."""
    from torch.distributed.fsdp import fully_shard

    fully_shard(model)

    def reduce() -> None:
        held = [gradient.to_local() for gradient in shards(model)]
        square = torch.stack([gradient.square().sum() for gradient in held]).sum()
        distributed.all_reduce(square)
        scale_to(held, square)

    return usual(model, loss_fn, reduce)


def with_sharded_states(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """ZeroRedundancyOptimizer: every rank holds the momentum of some parameters."""
    from torch.distributed.optim import ZeroRedundancyOptimizer

    wrapped = DistributedDataParallel(model)
    optimizer = ZeroRedundancyOptimizer(model.parameters(), torch.optim.SGD, lr=RATE, momentum=0.5)
    return usual(wrapped, loss_fn, lambda: None, optimizer)


def averaged_by_hand(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """The gradients are averaged after the backward pass."""
    return usual(model, loss_fn, lambda: average(gradients(model), world))


def averaged_in_hooks(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """Each gradient is averaged by a hook, as soon as it has accumulated."""
    for p in model.parameters():
        if p.requires_grad:
            p.register_post_accumulate_grad_hook(lambda held: average([held.grad], world))  # type: ignore[no-untyped-call] # torch's own
    return usual(model, loss_fn, lambda: None)


def stepped_on_one_rank(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """The gradients are averaged on rank 0, which steps and sends the weights to all."""
    optimizer = sgd(model)

    def step(inputs: Tensor, targets: Tensor) -> None:
        optimizer.zero_grad()
        loss_fn(model(inputs), targets).backward()
        for gradient in gradients(model):
            distributed.reduce(gradient, 0)
            gradient.div_(world)
        if rank == 0:
            optimizer.step()
        for p in model.parameters():
            distributed.broadcast(p.data, 0)

    return step, optimizer


def reduced_once_a_window(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Any:
    """``no_sync`` is around all micro-batches but the last one."""
    return accumulated(model, loss_fn, lambda last: last, DistributedDataParallel(model))


def weighed_by_rows(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """Ranks with different numbers of rows weigh by these."""
    optimizer = sgd(model)

    def step(inputs: Tensor, targets: Tensor) -> None:
        rows = torch.tensor(float(len(inputs)), dtype=inputs.dtype)
        distributed.all_reduce(rows)
        optimizer.zero_grad()
        (loss_fn(model(inputs), targets) * (len(inputs) / rows)).backward()
        average(gradients(model), 1)
        optimizer.step()

    return step, optimizer


def with_moments(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """DistributedDataParallel and Adam."""
    wrapped = DistributedDataParallel(model)
    return usual(wrapped, loss_fn, lambda: None, torch.optim.AdamW(model.parameters(), lr=RATE))


TWINS = (
    correct_ranks(wrapped_in_ddp),
    correct_ranks(wrapped_with_options),
    correct_ranks(wrapped_with_a_static_graph),
    correct_ranks(fully_sharded),
    correct_ranks(sharded_and_kept),
    correct_ranks(sharded_within_nodes, world=4),
    correct_ranks(sharded_and_clipped, clip_norm=CLIP),
    correct_ranks(shard_norms_added, clip_norm=CLIP),
    correct_ranks(with_sharded_states),
    correct_ranks(averaged_by_hand),
    correct_ranks(averaged_in_hooks),
    correct_ranks(stepped_on_one_rank),
    correct_ranks(reduced_once_a_window, accumulate=WINDOW),
    correct_ranks(weighed_by_rows, parts="ragged"),
    correct_ranks(with_moments),
)
