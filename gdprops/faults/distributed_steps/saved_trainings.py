"""Trainings that ranks save and load, wrongly and rightly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from gdprops.faults.distributed_steps.named_ranks import (
    RATE,
    average,
    correct_ranks,
    faulty_ranks,
    gradients,
    usual,
)


def with_momentum(model: nn.Module) -> torch.optim.Optimizer:
    """Return gradient descent with momentum."""
    return torch.optim.SGD(model.parameters(), lr=RATE, momentum=0.5)


def written_by_one(path: str, rank: int, *parts: Any) -> None:
    """Let rank 0 write the states of some parts, and the others wait for it."""
    if rank == 0:
        torch.save([part.state_dict() for part in parts], path)
    distributed.barrier()


def read_into(path: str, *parts: Any) -> None:
    """Load what was written into these parts."""
    for part, state in zip(parts, torch.load(path), strict=False):
        part.load_state_dict(state)


def save_no_momentum(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Any:
    """The weights are saved, and the optimizer is not."""
    optimizer = with_momentum(model)
    step, _ = usual(DistributedDataParallel(model), loss_fn, lambda: None, optimizer)
    save, load = lambda path: written_by_one(path, rank, model), lambda path: read_into(path, model)
    return {"step": step, "optimizer": optimizer, "save": save, "load": load}


def load_momentum_on_one_rank(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Any:
    """All ranks load the weights, and rank 0 alone the optimizer."""
    optimizer = with_momentum(model)
    step, _ = usual(DistributedDataParallel(model), loss_fn, lambda: None, optimizer)

    def load(path: str) -> None:
        read_into(path, model, *[optimizer] * (rank == 0))

    return {
        "step": step,
        "optimizer": optimizer,
        "save": lambda path: written_by_one(path, rank, model, optimizer),
        "load": load,
    }


def saved_by_one_rank(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Any:
    """Rank 0 saves weights and momentum, and every rank loads them."""
    optimizer = with_momentum(model)
    step, _ = usual(DistributedDataParallel(model), loss_fn, lambda: None, optimizer)
    return {
        "step": step,
        "optimizer": optimizer,
        "save": lambda path: written_by_one(path, rank, model, optimizer),
        "load": lambda path: read_into(path, model, optimizer),
    }


def saved_by_each_rank(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Any:
    """Every rank has a file of its own: more ranks than have saved cannot load."""
    optimizer = with_momentum(model)
    step, _ = usual(model, loss_fn, lambda: average(gradients(model), world), optimizer)
    return {
        "step": step,
        "optimizer": optimizer,
        "save": lambda path: torch.save([model.state_dict(), optimizer.state_dict()], f"{path}-{rank}"),
        "load": lambda path: read_into(f"{path}-{rank}", model, optimizer),
    }


def saved_in_shards(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Any:
    """FSDP2 and a distributed checkpoint, which is sharded anew for other ranks."""
    from torch.distributed.checkpoint import state_dict_loader, state_dict_saver
    from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict
    from torch.distributed.fsdp import fully_shard

    fully_shard(model)
    optimizer = with_momentum(model)
    step, _ = usual(model, loss_fn, lambda: None, optimizer)

    def states() -> dict[str, Any]:
        return dict(zip(("model", "optimizer"), get_state_dict(model, optimizer), strict=True))

    def save(path: str) -> None:
        state_dict_saver.save(states(), checkpoint_id=path)

    def load(path: str) -> None:
        held = states()
        state_dict_loader.load(held, checkpoint_id=path)
        set_state_dict(model, optimizer, model_state_dict=held["model"], optim_state_dict=held["optimizer"])

    return {"step": step, "optimizer": optimizer, "save": save, "load": load}


def load_momentum_on_as_many_only(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Any:
    """The momentum is found under the number of ranks: another number finds none, and begins anew."""
    optimizer = with_momentum(model)
    step, _ = usual(DistributedDataParallel(model), loss_fn, lambda: None, optimizer)

    def save(path: str) -> None:
        written_by_one(path, rank, model)
        written_by_one(f"{path}-of-{world}", rank, optimizer)

    def load(path: str) -> None:
        read_into(path, model)
        if Path(f"{path}-of-{world}").exists():
            read_into(f"{path}-of-{world}", optimizer)

    return {"step": step, "optimizer": optimizer, "save": save, "load": load}


FAULTS = (
    faulty_ranks(
        save_no_momentum, "saves the weights, and not the momentum.", source="KempnerInstitute/KempnerForge#115"
    ),
    faulty_ranks(load_momentum_on_one_rank, "loads the momentum on rank 0 only."),
    faulty_ranks(
        load_momentum_on_as_many_only,
        "loads the momentum only on as many ranks as have saved it.",
        source="ServiceNow/Fast-LLM#436",
    ),
)
TWINS = (
    correct_ranks(saved_by_one_rank),
    correct_ranks(saved_by_each_rank),
    correct_ranks(saved_in_shards),
)
