"""Wrong training steps, built on a model that gdprops hands over: the step chapter, where the user owns the loop."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from gdprops.faults.training_steps.named_steps import faulty_step

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


def clears_its_state(model: nn.Module, loss_fn: nn.Module) -> tuple[Step, torch.optim.Optimizer]:
    """Adam's averages are thrown away after every step."""
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)

    def step(inputs: Tensor, targets: Tensor) -> None:
        optimizer.zero_grad()
        loss_fn(model(inputs), targets).backward()
        optimizer.step()
        optimizer.state.clear()

    return step, optimizer


def makes_a_new_optimizer(model: nn.Module, loss_fn: nn.Module) -> tuple[Step, torch.optim.Optimizer]:
    """A new optimizer is made for every step: its momentum begins at nothing."""

    def made() -> torch.optim.Optimizer:
        return torch.optim.SGD(model.parameters(), lr=RATE, momentum=0.5)

    def step(inputs: Tensor, targets: Tensor) -> None:
        optimizer = made()
        optimizer.zero_grad()
        loss_fn(model(inputs), targets).backward()
        optimizer.step()

    return step, made()


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


FAULTS = (
    faulty_step(
        steps_twice,
        "A wrapper steps inside backward, and the loop steps once more.",
        source="PKU-YuanGroup/Helios#130",
    ),
    faulty_step(
        never_zeroes,
        "The gradients of all steps add up.",
        source="karpathy/llm.c#548",
    ),
    faulty_step(
        steps_before_backward,
        "From the second step on, the gradient is the last step's.",
    ),
    faulty_step(
        last_layer_first,
        "Back to front, every parameter moves before the next one's gradient is taken.",
        lr=RATE,
        source="VikParuchuri/zero_to_gpt#12, CodingTrain/Toy-Neural-Network-JS#72",
    ),
    faulty_step(
        writes_before_backward,
        "The weights decay through .data between the forward pass and its backward.",
        source="pytorch/pytorch#39141, rail-berkeley/rlkit#109",
    ),
    faulty_step(
        trains_a_copy,
        "The optimizer holds the parameters of a copy of the model.",
        source="huggingface/accelerate#2665, huggingface/accelerate#3256",
    ),
    faulty_step(
        forgets_the_first_layer,
        "The first parameter is not handed to the optimizer.",
        lr=RATE,
    ),
    faulty_step(
        clears_its_state,
        "The optimizer's state is thrown away after every step.",
    ),
    faulty_step(
        makes_a_new_optimizer,
        "Every step makes a new optimizer: momentum begins at nothing.",
    ),
    faulty_step(
        decays_the_frozen,
        "Every parameter decays, whether or not it is trained.",
        lr=RATE,
        source="ahrefs/ocannl#673",
    ),
    faulty_step(
        climbs,
        "The loss is maximized.",
        lr=RATE,
    ),
)
