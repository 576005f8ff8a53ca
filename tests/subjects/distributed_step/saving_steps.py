"""Steps with ``save`` and ``load`` that ranks import."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, distributed, nn

from gdprops.faults.distributed_steps import reduction_faults
from gdprops.faults.distributed_steps.saved_trainings import saved_by_one_rank
from tests.subjects.distributed_step import steps


def loads_nothing(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Any:
    return {**saved_by_one_rank(model, loss_fn, rank, world), "load": lambda path: None}


def cannot_load(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Any:
    def load(path: str) -> None:
        raise KeyError("optimizer")

    return {**saved_by_one_rank(model, loss_fn, rank, world), "load": load}


def waits_in_load(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Any:
    right = saved_by_one_rank(model, loss_fn, rank, world)

    def load(path: str) -> None:
        right["load"](path)
        if 0 < rank == world - 1:
            distributed.barrier()

    return {**right, "load": load}


def with_saving(step: Any, optimizer: torch.optim.Optimizer, model: nn.Module, rank: int) -> Any:
    def save(path: str) -> None:
        if rank == 0:
            torch.save(model.state_dict(), path)
        distributed.barrier()

    def load(path: str) -> None:
        model.load_state_dict(torch.load(path))

    return {"step": step, "optimizer": optimizer, "save": save, "load": load}


def forgets_its_rate(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Any:
    right, optimizer = steps.averaged(model, loss_fn, rank, world)

    def step(inputs: Tensor, targets: Tensor) -> None:
        right(inputs, targets)
        optimizer.param_groups[0]["lr"] /= 2

    return with_saving(step, optimizer, model, rank)


def sums_and_saves(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Any:
    return with_saving(*steps.sums(model, loss_fn, rank, world), model, rank)


def averages_pairs_and_saves(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Any:
    return with_saving(*reduction_faults.average_within_a_node(model, loss_fn, rank, world), model, rank)
