"""Wrong training steps that move what is frozen, leave out what is trained, or forget the mode of the model."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from gdprops.faults.training_steps.named_steps import faulty_step
from gdprops.faults.training_steps.usual_loop_faults import RATE, Step, sgd


def with_a_frozen_body() -> nn.Module:
    """Return a model of the user's own, as for fine-tuning: the first layer is frozen."""
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    model[0].requires_grad_(False)
    return model


def regression(index: int) -> tuple[Tensor, Tensor]:
    """Return the batch of an index."""
    generator = torch.Generator().manual_seed(index)
    return torch.randn(6, 3, generator=generator), torch.randn(6, 2, generator=generator)


def unfreezes_in_build(model: nn.Module, loss_fn: nn.Module) -> tuple[Step, torch.optim.Optimizer]:
    """Every parameter is made trainable before the optimizer is built: the frozen body trains too."""
    model.requires_grad_(True)
    optimizer = sgd(model)

    def step(inputs: Tensor, targets: Tensor) -> None:
        optimizer.zero_grad()
        loss_fn(model(inputs), targets).backward()
        optimizer.step()

    return step, optimizer


def unfreezes_in_the_step(model: nn.Module, loss_fn: nn.Module) -> tuple[Step, torch.optim.Optimizer]:
    """Every step makes every parameter trainable."""
    optimizer = sgd(model)

    def step(inputs: Tensor, targets: Tensor) -> None:
        model.requires_grad_(True)
        optimizer.zero_grad()
        loss_fn(model(inputs), targets).backward()
        optimizer.step()

    return step, optimizer


def leaves_the_body_out(model: nn.Module, loss_fn: nn.Module) -> tuple[Step, torch.optim.Optimizer]:
    """The optimizer holds the last parameter only; the others have gradients and rest, though none is frozen."""
    *_, head = model.parameters()
    head.requires_grad_()
    optimizer = torch.optim.SGD([head], lr=RATE)

    def step(inputs: Tensor, targets: Tensor) -> None:
        model.zero_grad()
        loss_fn(model(inputs), targets).backward()
        optimizer.step()

    return step, optimizer


def holds_only_what_is_frozen(model: nn.Module, loss_fn: nn.Module) -> tuple[Step, torch.optim.Optimizer]:
    """What the optimizer holds is frozen, and what is trained is in no group: nothing moves, ever."""
    *body, head = model.parameters()
    for p in body:
        p.requires_grad = False
    head.requires_grad_()
    optimizer = torch.optim.SGD(body, lr=RATE)

    def step(inputs: Tensor, targets: Tensor) -> None:
        optimizer.zero_grad()
        loss = loss_fn(model(inputs), targets)
        if loss.requires_grad:  # not where the last parameter takes no part
            loss.backward()
            optimizer.step()

    return step, optimizer


def stays_in_evaluation_mode(model: nn.Module, loss_fn: nn.Module) -> tuple[Step, torch.optim.Optimizer]:
    """After the first step a metric is computed in evaluation mode, which is never left again."""
    optimizer = sgd(model)

    def step(inputs: Tensor, targets: Tensor) -> float:
        optimizer.zero_grad()
        loss_fn(model(inputs), targets).backward()
        optimizer.step()
        model.eval()
        with torch.no_grad():
            return float(loss_fn(model(inputs), targets))

    return step, optimizer


def leaves_the_declared_out(model: nn.Sequential, loss_fn: nn.Module) -> tuple[Step, torch.optim.Optimizer]:
    """The optimizer is given the head; the body's group is never appended."""
    optimizer = torch.optim.SGD(model[2].parameters(), lr=RATE)

    def step(inputs: Tensor, targets: Tensor) -> None:
        model.zero_grad()
        loss_fn(model(inputs), targets).backward()
        optimizer.step()

    return step, optimizer


def unfreezes_the_declared(model: nn.Sequential, loss_fn: nn.Module) -> tuple[Step, torch.optim.Optimizer]:
    """The body is frozen, and a later line makes every parameter trainable again."""
    model[0].requires_grad_(False)
    model.requires_grad_(True)
    optimizer = sgd(model)

    def step(inputs: Tensor, targets: Tensor) -> None:
        model.zero_grad()
        loss_fn(model(inputs), targets).backward()
        optimizer.step()

    return step, optimizer


def unfreezes_too_early(model: nn.Sequential, loss_fn: nn.Module) -> tuple[Step, torch.optim.Optimizer]:
    """The body is to rest in the first three steps, and rests in two."""
    optimizer, taken = torch.optim.SGD(model.parameters(), lr=RATE), 0

    def step(inputs: Tensor, targets: Tensor) -> None:
        nonlocal taken
        taken += 1
        model[0].requires_grad_(taken > 2)
        optimizer.zero_grad()
        loss_fn(model(inputs), targets).backward()
        optimizer.step()

    return step, optimizer


def trainable() -> nn.Module:
    """Return a model of the user's own: a body (0) and a head (2)."""
    return with_a_frozen_body().requires_grad_(True)


OWN: dict[str, Any] = {"models": trainable, "batches": regression, "loss": nn.MSELoss()}
FAULTS = (
    faulty_step(
        unfreezes_in_build,
        "build makes every parameter trainable, frozen ones too.",
        source="ultralytics/yolov5#1213, pytorch/torchtitan#3438",
        models=with_a_frozen_body,
        batches=regression,
        loss=nn.MSELoss(),
    ),
    faulty_step(
        unfreezes_in_the_step,
        "Every step makes every parameter trainable, frozen ones too.",
    ),
    faulty_step(
        leaves_the_body_out,
        "Parameters that are trainable and have gradients are in no group of the optimizer.",
        source="zjunlp/HVPNeT#5",
    ),
    faulty_step(
        holds_only_what_is_frozen,
        "The optimizer holds what is frozen, and nothing that is trained.",
        source="adapter-hub/adapters#260",
    ),
    faulty_step(
        stays_in_evaluation_mode,
        "The model stays in evaluation mode after a metric was computed.",
        source="fartashf/vsepp#4, ThilinaRajapakse/simpletransformers#941",
    ),
    faulty_step(
        leaves_the_declared_out,
        "A parameter that is declared to train is in no group of the optimizer.",
        source="zjunlp/HVPNeT#5",
        trains="*",
        **OWN,
    ),
    faulty_step(
        unfreezes_the_declared,
        "What is declared frozen is trained.",
        source="ultralytics/yolov5#1213, pytorch/torchtitan#3438",
        frozen="0.*",
        **OWN,
    ),
    faulty_step(
        unfreezes_too_early,
        "What is declared frozen for three steps trains from the third one on.",
        frozen={"0.*": range(1, 4)},
        **OWN,
    ),
)
