"""Watched scripts of several processes: they are run once as each rank, with a process group of that rank alone.

What another rank would have contributed is computed beside it: rank 0 and rank 1 have the halves of one batch.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from gdprops.faults.fault import Fault, Twin
from gdprops.faults.watched_runs.materials import batches, mse, plain, sgd


@contextmanager
def group() -> Iterator[int]:
    """Open a process group of this process alone, and yield the rank that it plays."""
    dist.init_process_group("gloo", store=torch._C._distributed_c10d.HashStore(), rank=0, world_size=1)
    try:
        yield int(os.environ["RANK"])
    finally:
        dist.destroy_process_group()


def half(rows: Tensor, rank: int) -> Tensor:
    """Return the rows of one rank."""
    return rows[rank::2]


def steps_without_reducing() -> None:
    """Call the network inside the wrapper: no gradient is reduced, and the ranks drift apart."""
    with group() as rank:
        model: Any = DistributedDataParallel(plain())
        optimizer = sgd(model)
        for inputs, targets in batches():
            optimizer.zero_grad()
            mse(model.module(half(inputs, rank)), half(targets, rank)).backward()
            optimizer.step()


def skips_a_collective() -> None:
    """Let one rank log its loss alone, where all of them wait for the others."""
    with group() as rank:
        model = plain()
        optimizer = sgd(model)
        for index, (inputs, targets) in enumerate(batches()):
            optimizer.zero_grad()
            loss = mse(model(inputs), targets)
            loss.backward()
            for parameter in model.parameters():
                dist.all_reduce(parameter.grad)
            if rank == 0 and index % 4 == 0:
                dist.barrier()
            optimizer.step()


def replaces_what_is_reduced() -> None:
    """Make the parameters anew inside the wrapper, as moving a model may: nothing reduces the new ones."""
    with group() as rank:
        network: Any = plain()
        model: Any = DistributedDataParallel(network)
        for layer in (network[0], network[2]):
            layer.weight, layer.bias = (nn.Parameter(old.detach().clone()) for old in (layer.weight, layer.bias))
        optimizer = sgd(model)
        for inputs, targets in batches():
            optimizer.zero_grad()
            mse(model(half(inputs, rank)), half(targets, rank)).backward()
            optimizer.step()


def loses_what_is_reduced() -> None:
    """Let the network between the processes lose a gradient once."""
    with group() as rank:
        model = plain()
        optimizer = sgd(model)
        for index, (inputs, targets) in enumerate(batches()):
            optimizer.zero_grad()
            mse(model(inputs), targets).backward()
            for parameter in model.parameters():
                dist.all_reduce(parameter.grad)
                if rank and index == 3 and parameter.grad is not None:
                    parameter.grad.zero_()
            optimizer.step()


def reduces_by_hand() -> None:
    """Average the gradients of both halves before the step."""
    with group() as rank:
        model = plain()
        optimizer = sgd(model)
        for inputs, targets in batches():
            optimizer.zero_grad()
            halves = [mse(model(half(inputs, one)), half(targets, one)) for one in (rank, 1 - rank)]
            (sum(halves, torch.zeros(())) / 2).backward()
            for parameter in model.parameters():
                dist.all_reduce(parameter.grad)
            optimizer.step()


def wraps_in_data_parallel() -> None:
    """Train through the wrapper, on what both ranks have."""
    with group():
        model: Any = DistributedDataParallel(plain())
        optimizer = sgd(model, momentum=0.9)
        for inputs, targets in batches():
            optimizer.zero_grad()
            mse(model(inputs), targets).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()


def holds_a_part_of_the_network() -> None:
    """Train another column of a layer in each process, under one name."""
    with group() as rank:
        torch.manual_seed(rank)
        model = nn.Linear(3, 1)
        optimizer = sgd(model)
        for inputs, targets in batches():
            optimizer.zero_grad()
            mse(model(inputs), targets[:, rank : rank + 1]).backward()
            optimizer.step()


FAULTS = (
    Fault(
        "script-steps-without-reducing",
        "Calls the module inside DistributedDataParallel.",
        "karpathy/build-nanogpt#30",
        script=steps_without_reducing,
        ranks=2,
    ),
    Fault(
        "script-replaces-what-is-reduced",
        "New parameters inside DistributedDataParallel.",
        "pytorch/pytorch#104336",
        script=replaces_what_is_reduced,
        ranks=2,
    ),
    Fault(
        "script-loses-what-is-reduced",
        "One rank gets zeros instead of a reduced gradient.",
        "pytorch/pytorch#84803",
        script=loses_what_is_reduced,
        ranks=2,
    ),
    Fault("script-skips-a-collective", "One rank alone waits for all.", script=skips_a_collective, ranks=2),
)
TWINS = tuple(
    Twin(f"script-{script.__name__.replace('_', '-')}", script=script, ranks=2)
    for script in (reduces_by_hand, wraps_in_data_parallel, holds_a_part_of_the_network)
)
