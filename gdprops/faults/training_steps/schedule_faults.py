"""Training steps whose learning rates are not those of their schedule, and right ones beside them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR, StepLR

from gdprops.faults.training_steps.named_steps import correct_step, faulty_step
from gdprops.faults.training_steps.usual_loop_faults import RATE, Step, sgd

SHRINKS = 0.9
WARM_UP = 4
Built = tuple[Step, torch.optim.Optimizer]


def shrinking(optimizer: torch.optim.Optimizer) -> StepLR:
    """Return the schedule of these steps: every rate is nine tenths of the last one."""
    return StepLR(optimizer, 1, SHRINKS)


def warming(optimizer: torch.optim.Optimizer) -> LambdaLR:
    """Return a warm-up: the rate grows from nothing to its peak."""
    return LambdaLR(optimizer, lambda t: min(1.0, t / WARM_UP))


def schedules_four_times(model: nn.Module, loss_fn: nn.Module) -> Built:
    """The scheduler advances once per micro-batch: four times per update."""
    optimizer = sgd(model)
    scheduler = shrinking(optimizer)

    def step(inputs: Tensor, targets: Tensor) -> None:
        optimizer.zero_grad()
        loss_fn(model(inputs), targets).backward()
        optimizer.step()
        for _ in range(4):
            scheduler.step()

    return step, optimizer


def schedules_before_the_step(model: nn.Module, loss_fn: nn.Module) -> Built:
    """The scheduler advances before the optimizer steps: the first rate is never used."""
    optimizer = sgd(model)
    scheduler = shrinking(optimizer)
    optimizer.step()  # or torch warns of it

    def step(inputs: Tensor, targets: Tensor) -> None:
        optimizer.zero_grad()
        loss_fn(model(inputs), targets).backward()
        scheduler.step()
        optimizer.step()

    return step, optimizer


def warms_up_from_the_peak(model: nn.Module, loss_fn: nn.Module) -> Built:
    """The warm-up is set after each update only: the first one is taken at the peak."""
    optimizer, taken = sgd(model), 0

    def step(inputs: Tensor, targets: Tensor) -> None:
        nonlocal taken
        taken += 1
        optimizer.zero_grad()
        loss_fn(model(inputs), targets).backward()
        optimizer.step()
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1.0, taken / WARM_UP)

    return step, optimizer


def follows_its_schedule(model: nn.Module, loss_fn: nn.Module) -> Built:
    """The scheduler advances once per update, after it."""
    optimizer = sgd(model)
    scheduler = shrinking(optimizer)

    def step(inputs: Tensor, targets: Tensor) -> None:
        optimizer.zero_grad()
        loss_fn(model(inputs), targets).backward()
        optimizer.step()
        scheduler.step()

    return step, optimizer


def sets_its_rate_before_the_step(model: nn.Module, loss_fn: nn.Module) -> Built:
    """A warm-up from zero, computed by hand before each update."""
    optimizer, taken = sgd(model), 0

    def step(inputs: Tensor, targets: Tensor) -> None:
        nonlocal taken
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1.0, taken / WARM_UP)
        optimizer.zero_grad()
        loss_fn(model(inputs), targets).backward()
        optimizer.step()
        taken += 1

    return step, optimizer


FAULTS = (
    faulty_step(
        schedules_four_times,
        "The scheduler advances four times per update.",
        source="EvolvingLMMs-Lab/OneVision-Encoder#82, huggingface/accelerate#963",
        schedule=shrinking,
    ),
    faulty_step(
        schedules_before_the_step,
        "The scheduler advances before the optimizer steps.",
        schedule=shrinking,
    ),
    faulty_step(
        warms_up_from_the_peak,
        "The first rate of a warm-up is its peak.",
        source="facebookresearch/fairseq#453",
        schedule=warming,
    ),
)
TWINS = (
    correct_step(follows_its_schedule, schedule=shrinking),
    correct_step(sets_its_rate_before_the_step, schedule=warming),
)
