"""Correct training steps of the same plumbing as `gdprops.faults.training_steps.late_read_faults`."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gdprops.faults.training_steps.late_read_faults import (
    DECAY,
    Neighbourly,
    adam,
    adam_step,
    adamw,
    decaying,
    error_at,
    layers_run,
    trained,
)
from gdprops.faults.training_steps.named_steps import correct_step
from gdprops.faults.training_steps.usual_loop_faults import RATE, Step


def sends_back_before_it_moves(model: nn.Module, loss_fn: nn.Module) -> Step:
    """Layer by layer by hand: all errors are sent back before anything moves."""

    def step(inputs: Tensor, targets: Tensor) -> None:
        layers, outputs = layers_run(model, inputs)
        (error,) = error_at(loss_fn(outputs, targets), [outputs])
        found = list[tuple[Tensor, Tensor]]()
        for layer, x in layers:
            found += zip(trained(layer), error_at(layer(x), trained(layer), error), strict=True)
            (error,) = error_at(layer(x), [x], error)
        for p, g in found:
            p.data -= RATE * g

    return step


def adam_by_hand(model: nn.Module, loss_fn: nn.Module) -> Step:
    """A count and averages of its own for every tensor."""
    held = [[torch.zeros_like(p), torch.zeros_like(p), 0] for p in trained(model)]

    def step(inputs: Tensor, targets: Tensor) -> None:
        grads = torch.autograd.grad(loss_fn(model(inputs), targets), trained(model), allow_unused=True)
        for p, g, own in zip(trained(model), grads, held, strict=True):
            if g is not None:
                own[2] += 1  # type: ignore[operator] # a count beside tensors
                adam_step(p, g, *own)  # type: ignore[arg-type] # likewise

    return step


def adamw_by_hand(model: nn.Module, loss_fn: nn.Module) -> Step:
    """The gradients are taken, the weights decay, and then Adam moves them."""
    optimizer = torch.optim.Adam(trained(model), lr=RATE)

    def step(inputs: Tensor, targets: Tensor) -> None:
        optimizer.zero_grad()
        loss_fn(model(inputs), targets).backward()
        for p in trained(model):
            p.data.mul_(1 if p.grad is None else 1 - RATE * DECAY)
        optimizer.step()

    return step


def decay_by_hand(model: nn.Module, loss_fn: nn.Module) -> Step:
    """What has no gradient is left alone, by its decay too."""

    def step(inputs: Tensor, targets: Tensor) -> None:
        grads = torch.autograd.grad(loss_fn(model(inputs), targets), trained(model), allow_unused=True)
        for p, g in zip(trained(model), grads, strict=True):
            p.data -= 0 if g is None else RATE * (g + DECAY * p.data)

    return step


def reads_its_neighbour_first(model: nn.Module, loss_fn: nn.Module) -> Step:
    """A coupled rule that remembers its neighbours before anything moves."""
    optimizer = Neighbourly(trained(model))

    def step(inputs: Tensor, targets: Tensor) -> None:
        optimizer.zero_grad()
        loss_fn(model(inputs), targets).backward()
        optimizer.step()

    return step


TWINS = (
    correct_step(sends_back_before_it_moves, lr=RATE),
    correct_step(adam_by_hand, rule=adam),
    correct_step(adamw_by_hand, rule=adamw),
    correct_step(decay_by_hand, rule=decaying),
    correct_step(reads_its_neighbour_first, rule=Neighbourly),
)
