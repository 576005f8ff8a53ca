"""Steps that ranks import: each ``build`` stands at the top level, as ranks are processes of their own."""

from __future__ import annotations

import os
from collections.abc import Callable

import torch
from torch import Tensor, distributed, nn

Built = tuple[Callable[[Tensor, Tensor], None], torch.optim.Optimizer]


def averaged(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def step(inputs: Tensor, targets: Tensor) -> None:
        optimizer.zero_grad()
        loss_fn(model(inputs), targets).backward()
        for p in model.parameters():
            if p.grad is not None:
                distributed.all_reduce(p.grad)
                p.grad /= world
        optimizer.step()

    return step, optimizer


def with_trouble(trouble: Callable[[int, int], object]) -> Callable[..., Built]:
    def build(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
        right, optimizer = averaged(model, loss_fn, rank, world)

        def step(inputs: Tensor, targets: Tensor) -> None:
            right(inputs, targets)
            trouble(rank, world)

        return step, optimizer

    return build


def _raise_on_the_last(rank: int, world: int) -> None:
    if 0 < rank == world - 1:
        raise ValueError("no more rows")


def _wait_for_nobody(rank: int, world: int) -> None:
    if 0 < rank == world - 1:
        distributed.all_reduce(torch.ones(1, dtype=torch.float64))


def _end_the_process(rank: int, world: int) -> None:
    if 0 < rank == world - 1:
        os._exit(7)


def _go_on_for_ever(rank: int, world: int) -> None:
    while 0 < rank == world - 1:
        pass


def raises(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    return with_trouble(_raise_on_the_last)(model, loss_fn, rank, world)


def waits(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    return with_trouble(_wait_for_nobody)(model, loss_fn, rank, world)


def ends(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    return with_trouble(_end_the_process)(model, loss_fn, rank, world)


def loops(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    return with_trouble(_go_on_for_ever)(model, loss_fn, rank, world)


def takes_no_model(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    raise TypeError("not such a model")


def meets_again(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    distributed.init_process_group("gloo")
    return averaged(model, loss_fn, rank, world)


def meets_anew(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    distributed.destroy_process_group()
    distributed.init_process_group("gloo")
    return averaged(model, loss_fn, rank, world)


def returns_nothing_on_the_last(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built | None:
    return None if 0 < rank == world - 1 else averaged(model, loss_fn, rank, world)


def without_optimizer(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Callable[[Tensor, Tensor], None]:
    return averaged(model, loss_fn, rank, world)[0]


def clips_undeclared(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def step(inputs: Tensor, targets: Tensor) -> None:
        optimizer.zero_grad()
        loss_fn(model(inputs), targets).backward()
        for p in model.parameters():
            if p.grad is not None:
                distributed.all_reduce(p.grad)
                p.grad /= world
        nn.utils.clip_grad_norm_(model.parameters(), 0.01)
        optimizer.step()

    return step, optimizer


def with_an_own_class(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    class Own(torch.optim.SGD):
        pass

    step, _ = averaged(model, loss_fn, rank, world)
    return step, Own(model.parameters(), lr=0.1)


def two(model: nn.Module, loss_fn: nn.Module) -> None:
    raise AssertionError


def alone(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def step(inputs: Tensor, targets: Tensor) -> None:
        optimizer.zero_grad()
        loss_fn(model(inputs), targets).backward()
        optimizer.step()

    return step, optimizer


def _send_what_nobody_takes(rank: int, world: int) -> None:
    if rank == 0 < world - 1:
        distributed.broadcast(torch.ones(1, dtype=torch.float64), 0, async_op=True)


def sends_more(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    return with_trouble(_send_what_nobody_takes)(model, loss_fn, rank, world)


def sums(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def step(inputs: Tensor, targets: Tensor) -> None:
        optimizer.zero_grad()
        loss_fn(model(inputs), targets).backward()
        for p in model.parameters():
            distributed.all_reduce(p.grad)
        optimizer.step()

    return step, optimizer


def sums_with_zeros(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Built:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def step(inputs: Tensor, targets: Tensor) -> None:
        optimizer.zero_grad()
        loss_fn(model(inputs), targets).backward()
        for p in model.parameters():
            p.grad = torch.zeros_like(p) if p.grad is None else p.grad
            distributed.all_reduce(p.grad)
        optimizer.step()

    return step, optimizer
