"""Training steps whose averaged copy does not follow the model as declared, and right ones beside them."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from gdprops.faults.training_steps.named_steps import correct_step, faulty_step
from gdprops.faults.training_steps.usual_loop_faults import sgd

DECAY = 0.75
EMA = ("ema", DECAY)


def warming(t: int) -> float:
    """Return a decay that grows with the updates."""
    return (1 + t) / (3 + t)


def _with(model: nn.Module, loss_fn: nn.Module, follow: Any, *, before: bool = False) -> dict[str, Any]:
    optimizer = sgd(model)
    average: Any = copy.deepcopy(model)
    average.register_buffer("n_averaged", torch.zeros((), dtype=torch.long))

    def moves() -> None:
        with torch.no_grad():
            for a, w in zip(average.parameters(), model.parameters(), strict=True):
                follow(a, w, int(average.n_averaged))
            average.n_averaged += 1

    def step(inputs: Tensor, targets: Tensor) -> None:
        if before:
            moves()
        optimizer.zero_grad()
        loss_fn(model(inputs), targets).backward()
        optimizer.step()
        if not before:
            moves()

    return {"step": step, "optimizer": optimizer, "average": average}


def averages_with_a_flipped_sign(model: nn.Module, loss_fn: nn.Module) -> dict[str, Any]:
    """The average moves away from the weights."""

    def away(a: Tensor, w: Tensor, t: int) -> None:
        a.add_((1 - DECAY) * (a - w))

    return _with(model, loss_fn, away)


def averages_before_the_step(model: nn.Module, loss_fn: nn.Module) -> dict[str, Any]:
    """The average takes the weights before the optimizer's step."""

    def follow(a: Tensor, w: Tensor, t: int) -> None:
        a.lerp_(w, 1 - DECAY)

    return _with(model, loss_fn, follow, before=True)


def decays_one_update_late(model: nn.Module, loss_fn: nn.Module) -> dict[str, Any]:
    """The decay of each update is that of the next one."""

    def late(a: Tensor, w: Tensor, t: int) -> None:
        a.lerp_(w, 1 - warming(t + 1))

    return _with(model, loss_fn, late)


def averages_as_declared(model: nn.Module, loss_fn: nn.Module) -> dict[str, Any]:
    """The average follows after each update."""
    return _with(model, loss_fn, lambda a, w, t: a.mul_(DECAY).add_(w, alpha=1 - DECAY))


def warms_its_average_up(model: nn.Module, loss_fn: nn.Module) -> dict[str, Any]:
    """The decay grows with the updates."""
    return _with(model, loss_fn, lambda a, w, t: a.lerp_(w, 1 - warming(t)))


def averages_with_torchs_own_class(model: nn.Module, loss_fn: nn.Module) -> dict[str, Any]:
    """The mean of all weights, as torch computes it: the first update is copied."""
    optimizer, average = sgd(model), AveragedModel(model)

    def step(inputs: Tensor, targets: Tensor) -> None:
        optimizer.zero_grad()
        loss_fn(model(inputs), targets).backward()
        optimizer.step()
        average.update_parameters(model)

    return {"step": step, "optimizer": optimizer, "average": average}


FAULTS = (
    faulty_step(
        averages_with_a_flipped_sign,
        "The average moves away from the weights.",
        source="ostris/ai-toolkit#1034",
        average=EMA,
    ),
    faulty_step(averages_before_the_step, "The average takes the weights before the optimizer's step.", average=EMA),
    faulty_step(
        decays_one_update_late,
        "The decay of the average is that of another update.",
        source="huggingface/diffusers#1864",
        average=warming,
    ),
)
TWINS = (
    correct_step(averages_as_declared, average=EMA),
    correct_step(warms_its_average_up, average=warming),
    correct_step(averages_with_torchs_own_class, average=("swa",)),
)
