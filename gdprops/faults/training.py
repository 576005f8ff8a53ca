"""Wrong training steps, built on a model that gdprops hands over: the step chapter, where the user owns the loop."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from gdprops.adapters.training_step import training_step
from gdprops.faults.fault import Fault

Step = Callable[[Tensor, Tensor], Any]
RATE = 0.125


def sgd(model: nn.Module) -> torch.optim.Optimizer:
    """Return plain gradient descent on a model."""
    return torch.optim.SGD(model.parameters(), lr=RATE)


def steps_twice(model: nn.Module, loss_fn: nn.Module) -> tuple[Step, torch.optim.Optimizer]:
    """A wrapper steps inside backward, and the loop steps once more."""
    optimizer = sgd(model)

    def step(inputs: Tensor, targets: Tensor) -> None:
        optimizer.zero_grad()
        loss_fn(model(inputs), targets).backward()
        optimizer.step()
        optimizer.step()

    return step, optimizer


def never_zeroes(model: nn.Module, loss_fn: nn.Module) -> tuple[Step, torch.optim.Optimizer]:
    """The gradients of all steps add up."""
    optimizer = sgd(model)

    def step(inputs: Tensor, targets: Tensor) -> None:
        loss_fn(model(inputs), targets).backward()
        optimizer.step()

    return step, optimizer


def steps_before_backward(model: nn.Module, loss_fn: nn.Module) -> tuple[Step, torch.optim.Optimizer]:
    """The optimizer steps along the gradients of the step before; the first step is right."""
    optimizer, started = sgd(model), False

    def step(inputs: Tensor, targets: Tensor) -> None:
        nonlocal started
        if started:
            optimizer.step()
        optimizer.zero_grad()
        loss_fn(model(inputs), targets).backward()
        if not started:
            optimizer.step()
        started = True

    return step, optimizer


def last_layer_first(model: nn.Module, loss_fn: nn.Module) -> Step:
    """Back to front, every parameter moves before the next one's gradient is taken."""

    def step(inputs: Tensor, targets: Tensor) -> None:
        for p in reversed([p for p in model.parameters() if p.requires_grad]):
            (g,) = torch.autograd.grad(loss_fn(model(inputs), targets), [p], allow_unused=True)
            with torch.no_grad():
                p.sub_(0 if g is None else RATE * g)

    return step


def writes_before_backward(model: nn.Module, loss_fn: nn.Module) -> tuple[Step, torch.optim.Optimizer]:
    """Decays the weights through ``.data`` between the forward pass and its backward."""
    optimizer = sgd(model)

    def step(inputs: Tensor, targets: Tensor) -> None:
        optimizer.zero_grad()
        loss = loss_fn(model(inputs), targets)
        for p in model.parameters():
            p.data.mul_(0.75)
        loss.backward()
        optimizer.step()

    return step, optimizer


def trains_a_copy(model: nn.Module, loss_fn: nn.Module) -> tuple[Step, torch.optim.Optimizer]:
    """The optimizer holds the parameters of a copy of the model."""
    optimizer = sgd(copy.deepcopy(model))

    def step(inputs: Tensor, targets: Tensor) -> None:
        optimizer.zero_grad()
        loss_fn(model(inputs), targets).backward()
        optimizer.step()

    return step, optimizer


def forgets_the_first_layer(model: nn.Module, loss_fn: nn.Module) -> Step:
    """Every parameter but the first is handed to the optimizer."""
    optimizer = torch.optim.SGD(list(model.parameters())[1:], lr=RATE)

    def step(inputs: Tensor, targets: Tensor) -> None:
        optimizer.zero_grad()
        loss_fn(model(inputs), targets).backward()
        optimizer.step()

    return step


def decays_the_frozen(model: nn.Module, loss_fn: nn.Module) -> Step:
    """Every parameter decays, whether or not it is trained."""
    optimizer = sgd(model)

    def step(inputs: Tensor, targets: Tensor) -> None:
        optimizer.zero_grad()
        loss_fn(model(inputs), targets).backward()
        optimizer.step()
        for p in model.parameters():
            p.data.mul_(1 - RATE / 8)

    return step


def climbs(model: nn.Module, loss_fn: nn.Module) -> Step:
    """Maximizes the loss."""
    optimizer = sgd(model)

    def step(inputs: Tensor, targets: Tensor) -> None:
        optimizer.zero_grad()
        (-loss_fn(model(inputs), targets)).backward()
        optimizer.step()

    return step


def _fault(
    build: Callable[[nn.Module, nn.Module], Any], summary: str, *clauses: str, lr: float | None = None, source: str = ""
) -> Fault:
    name = build.__name__.replace("_", "-")
    return Fault(name, summary, clauses, source, lambda: training_step(build, lr=lr, name=name))


FAULTS = (
    _fault(
        steps_twice,
        "A wrapper steps inside backward, and the loop steps once more.",
        "step.once",
        source="PKU-YuanGroup/Helios#130",
    ),
    _fault(
        never_zeroes,
        "The gradients of all steps add up.",
        "step.fresh-gradient",
        source="karpathy/llm.c#548",
    ),
    _fault(
        steps_before_backward,
        "From the second step on, the gradient is the last step's.",
        "step.fresh-gradient",
    ),
    _fault(
        last_layer_first,
        "Back to front, every parameter moves before the next one's gradient is taken.",
        "step.simultaneous",
        lr=RATE,
        source="VikParuchuri/zero_to_gpt#12, CodingTrain/Toy-Neural-Network-JS#72",
    ),
    _fault(
        writes_before_backward,
        "The weights decay through .data between the forward pass and its backward.",
        "step.simultaneous",
        source="pytorch/pytorch#39141, rail-berkeley/rlkit#109",
    ),
    _fault(
        trains_a_copy,
        "The optimizer holds the parameters of a copy of the model.",
        "step.moves-all",
        source="huggingface/accelerate#2665, huggingface/accelerate#3256",
    ),
    _fault(
        forgets_the_first_layer,
        "The first parameter is not handed to the optimizer.",
        "step.moves-all",
        lr=RATE,
    ),
    _fault(
        decays_the_frozen,
        "Every parameter decays, whether or not it is trained.",
        "step.frozen-untouched",
        lr=RATE,
        source="ahrefs/ocannl#673",
    ),
    _fault(
        climbs,
        "The loss is maximized.",
        "step.trains",
        lr=RATE,
    ),
)
