"""Right steps of ranks that share the layers of one model: tensor parallel, and pipelines of stages."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, distributed, nn

from gdprops.faults.distributed_steps.named_ranks import RATE, Built, correct_ranks, gradients, sgd, usual
from gdprops.faults.distributed_steps.update_faults import CLIP

MICRO_BATCHES = 2
BOTH = {"data": 2, "tensor": 2}


def mesh_of(world: int) -> Any:
    """Return a mesh of all ranks for tensor parallelism."""
    from torch.distributed.device_mesh import init_device_mesh

    return init_device_mesh("cpu", (world,), mesh_dim_names=("tensor",))


def mesh_of_both(world: int) -> Any:
    """Return a mesh of pairs that share layers."""
    from torch.distributed.device_mesh import init_device_mesh

    return init_device_mesh("cpu", (max(1, world // 2), min(2, world)), mesh_dim_names=("data", "tensor"))


def linear_names(model: nn.Module) -> list[str]:
    """Return the names of the layers that have weights, from the first to the last."""
    return [name for name, layer in model.named_children() if isinstance(layer, nn.Linear)]


def share(model: nn.Module, mesh: Any) -> None:
    """Share layers by columns and rows in turn, the last one by rows."""
    from torch.distributed.tensor import Replicate
    from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module

    names = linear_names(model)
    plan: dict[str, Any] = {n: RowwiseParallel() if k % 2 else ColwiseParallel() for k, n in enumerate(names)}
    if len(names) % 2:
        plan[names[-1]] = RowwiseParallel(input_layouts=Replicate())
    parallelize_module(model, mesh, plan)


def tensor_parallel(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """Layers are shared by columns and rows in turn, with momentum."""
    share(model, mesh_of(world))
    return usual(model, loss_fn, lambda: None, torch.optim.SGD(model.parameters(), lr=RATE, momentum=0.5))


def tensor_parallel_and_clipped(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """The norm is that of all shards and, once, of what all ranks hold."""
    share(model, mesh_of(world))

    def clip() -> None:
        nn.utils.clip_grad_norm_(model.parameters(), CLIP)

    return usual(model, loss_fn, clip)


class _Sum(torch.autograd.Function):
    """The sum over all ranks, whose backward pass hands on what it is given."""

    @staticmethod
    def forward(context: Any, own: Tensor) -> Tensor:
        found = own.clone()
        distributed.all_reduce(found)
        return found

    @staticmethod
    def backward(context: Any, *grads: Tensor) -> Tensor:
        return grads[0]


class _SumBackward(torch.autograd.Function):
    """Hands on what it is given, and sums in its backward pass."""

    @staticmethod
    def forward(context: Any, own: Tensor) -> Tensor:
        return own.view_as(own)

    @staticmethod
    def backward(context: Any, *grads: Tensor) -> Tensor:
        found = grads[0].contiguous().clone()
        distributed.all_reduce(found)
        return found


def summed(own: Tensor) -> Tensor:
    """Return the sum over all ranks."""
    found: Tensor = _Sum.apply(own)  # type: ignore[no-untyped-call] # torch's own
    return found


def summed_backward(own: Tensor) -> Tensor:
    """Return what is given; gradients are summed over all ranks."""
    found: Tensor = _SumBackward.apply(own)  # type: ignore[no-untyped-call] # torch's own
    return found


def by_columns(layer: Any, inputs: Tensor) -> Tensor:
    """Return this rank's columns of the outputs."""
    bias = None if layer.bias is None else layer.bias.to_local()
    return nn.functional.linear(summed_backward(inputs), layer.weight.to_local(), bias)


def by_rows(layer: Any, inputs: Tensor) -> Tensor:
    """Return all outputs, of this rank's columns of the inputs; the bias is added once."""
    found = summed(nn.functional.linear(inputs, layer.weight.to_local()))
    return found if layer.bias is None else found + layer.bias.to_local()


def share_by_hand(
    model: nn.Module,
    mesh: Any,
    columns: Callable[[Any, Tensor], Tensor] = by_columns,
    rows: Callable[[Any, Tensor], Tensor] = by_rows,
) -> None:
    """Share the last two layers, the first of them by columns and the other one by rows."""
    from torch.distributed.tensor import Replicate, Shard, distribute_tensor

    for name, forward, dimension in zip(linear_names(model)[-2:], (columns, rows), (0, 1), strict=True):
        layer: Any = getattr(model, name)
        for key, p in list(layer.named_parameters()):
            placed = Replicate() if key == "bias" and dimension == 1 else Shard(dimension)
            held = nn.Parameter(distribute_tensor(p.data, mesh, [placed]), requires_grad=p.requires_grad)
            setattr(layer, key, held)
        layer.forward = partial(forward, layer)


def tensor_parallel_by_hand(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """The last two layers are shared, with reductions of the step's own."""
    share_by_hand(model, mesh_of(world))
    return usual(model, loss_fn, lambda: None)


def average_over_data(model: nn.Module, group: Any) -> None:
    """Average each gradient, or this rank's shard of it, over the ranks that hold the same."""
    for gradient in gradients(model):
        held: Any = gradient
        local = held.to_local() if hasattr(held, "to_local") else held
        distributed.all_reduce(local, group=group)
        local /= distributed.get_world_size(group)


def averaged_and_parallel(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """Pairs of ranks share the layers, and the pairs have different rows."""
    mesh = mesh_of_both(world)
    share(model, mesh["tensor"])
    return usual(model, loss_fn, lambda: average_over_data(model, mesh["data"].get_group()))


def sharded_and_parallel(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    """FSDP2 over the pairs, of ranks that share the layers."""
    from torch.distributed.fsdp import fully_shard

    mesh = mesh_of_both(world)
    share(model, mesh["tensor"])
    fully_shard(model, mesh=mesh["data"])
    return usual(model, loss_fn, lambda: None)


def stage_of(model: nn.Module, place: int, stages: int) -> nn.Sequential:
    """Return the layers of a stage: equally many, each with what follows it."""
    blocks = list[list[nn.Module]]()
    for layer in model.children():
        if not blocks or isinstance(layer, nn.Linear):
            blocks.append([])
        blocks[-1].append(layer)
    own = [block for k, block in enumerate(blocks) if k * stages // len(blocks) == place]
    return nn.Sequential(*(layer for block in own for layer in block))


def scheduled(model: nn.Module, loss_fn: nn.Module, rank: int, world: int, schedule: str, **options: Any) -> Any:
    """Return the step of one of torch's schedules."""
    from torch.distributed import pipelining

    own = stage_of(model, rank, world)
    optimizer = sgd(own)
    stage = pipelining.PipelineStage(own, rank, world, torch.device("cpu"))
    count = max(MICRO_BATCHES, world)
    run = getattr(pipelining, schedule)(stage, n_microbatches=count, loss_fn=loss_fn, **options)

    def step(inputs: Tensor, targets: Tensor) -> None:
        optimizer.zero_grad()
        run.step(*[inputs] * (rank == 0), **({"target": targets} if rank == world - 1 else {}))
        optimizer.step()

    return {"step": step, "optimizer": optimizer, "stage": own}


def in_stages(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Any:
    """GPipe: all micro-batches forward, and then all of them backward."""
    return scheduled(model, loss_fn, rank, world, "ScheduleGPipe")


def in_alternating_stages(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Any:
    """1F1B: one micro-batch forward and one backward in turn."""
    return scheduled(model, loss_fn, rank, world, "Schedule1F1B")


def passed_on(
    model: nn.Module, loss_fn: nn.Module, rank: int, world: int, is_stepped: Callable[[int, int], bool]
) -> Any:
    """Return a pipeline of sends and receives; ``is_stepped`` says after which micro-batch, on which rank."""
    own = stage_of(model, rank, world)
    optimizer = sgd(own)
    width = next(p.shape[1] for p in own.parameters() if p.dim() == 2)

    def step(inputs: Tensor, targets: Tensor) -> None:
        optimizer.zero_grad()
        parts = zip(inputs.chunk(MICRO_BATCHES), targets.chunk(MICRO_BATCHES), strict=True)
        for number, (rows, wanted) in enumerate(parts, start=1):
            entering = rows
            if rank:
                entering = torch.empty(len(rows), width, dtype=rows.dtype)
                distributed.recv(entering, rank - 1)
                entering.requires_grad_()
            out = own(entering)
            pulled = None
            if rank < world - 1:
                distributed.send(out.detach(), rank + 1)
                pulled = torch.empty_like(out)
                distributed.recv(pulled, rank + 1)
            end = out if rank < world - 1 else loss_fn(out, wanted) / MICRO_BATCHES
            if end.requires_grad:  # the first stage may be frozen
                torch.autograd.backward(end, pulled)
            if rank:
                distributed.send(entering.grad, rank - 1)  # type: ignore[arg-type] # the backward pass has filled it
            if is_stepped(number, rank):
                optimizer.step()

    return {"step": step, "optimizer": optimizer, "stage": own}


def passed_on_by_hand(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Any:
    """Stages send activations and receive gradients themselves, and step after the last micro-batch."""
    return passed_on(model, loss_fn, rank, world, lambda number, _: number == MICRO_BATCHES)


TWINS = (
    correct_ranks(tensor_parallel, layouts="tensor"),
    correct_ranks(tensor_parallel_and_clipped, layouts="tensor", clip_norm=CLIP),
    correct_ranks(tensor_parallel_by_hand, layouts="tensor"),
    correct_ranks(averaged_and_parallel, layouts=BOTH, world=4),
    correct_ranks(sharded_and_parallel, layouts=BOTH, world=4),
    correct_ranks(in_stages, layouts="pipeline"),
    correct_ranks(in_alternating_stages, layouts="pipeline"),
    correct_ranks(passed_on_by_hand, layouts="pipeline"),
)
