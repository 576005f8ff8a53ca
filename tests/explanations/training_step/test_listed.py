"""What an explanation must be able to name, each in a step of a few lines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gdprops.faults.training_steps.late_read_faults import blocks_in_turn
from tests.explanations.training_step.examples import instead_of
from tests.explanations.training_step.invented import RATE, Step, gradients, moved, trained

PLAIN = {"lr": RATE}
Build = Callable[[nn.Module, Any], Any]


def named(model: nn.Module, *, bias: bool) -> list[nn.Parameter]:
    return [p for name, p in model.named_parameters() if name.endswith("bias") == bias and p.requires_grad]


def in_turn(blocks: Callable[[nn.Module], Sequence[Sequence[Tensor]]]) -> Build:
    return lambda model, loss_fn: blocks_in_turn(model, loss_fn, blocks(model), RATE)


def of_layers(model: nn.Module) -> list[list[nn.Parameter]]:
    found = [[p for p in layer.parameters() if p.requires_grad] for layer in model.children()]
    return [*found, [p for name, p in model.named_parameters() if "." not in name and p.requires_grad]]


def turned(change: Callable[[nn.Module, list[Tensor]], list[Any]]) -> Build:
    """Return a step that moves by gradients that are changed."""

    def build(model: nn.Module, loss_fn: Any) -> Step:
        return lambda x, y: moved(model, change(model, gradients(model, loss_fn(model(x), y))))

    return build


def for_biases(k: float) -> Callable[[nn.Module, list[Tensor]], list[Any]]:
    def change(model: nn.Module, found: list[Tensor]) -> list[Any]:
        biases = {id(p) for p in named(model, bias=True)}
        return [k * g if id(p) in biases else g for p, g in zip(trained(model), found, strict=True)]

    return change


def but_the_last(k: float) -> Callable[[nn.Module, list[Tensor]], list[Any]]:
    return lambda model, found: [*found[:-1], k * found[-1]]


def one_buffer_per_shape(model: nn.Module, found: list[Tensor]) -> list[Any]:
    last = {g.shape: g for g in found if g.any()}
    return [last.get(g.shape, g) if g.any() else g for g in found]


def times_rows(model: nn.Module, loss_fn: Any) -> Step:
    return lambda x, y: moved(model, [len(x) * g for g in gradients(model, loss_fn(model(x), y))])


def batch_behind(model: nn.Module, loss_fn: Any) -> Step:
    held: list[tuple[Tensor, Tensor]] = []

    def step(x: Tensor, y: Tensor) -> None:
        held.append((x, y))
        a, b = held[max(0, len(held) - 2)]
        moved(model, gradients(model, loss_fn(model(a), b)))

    return step


def unseen_micro_batches(model: nn.Module, loss_fn: Any) -> Step:
    """The model is not called, only its ``forward``: nobody sees the rows."""

    def step(x: Tensor, y: Tensor) -> None:
        parts = [(x[:10], y[:10]), (x[10:], y[10:])] if len(x) > 10 else [(x, y)]
        losses = [loss_fn(model.forward(a), b) / len(parts) for a, b in parts]
        moved(model, gradients(model, torch.stack(losses).sum()))

    return step


def decaying(parameters: Iterable[Any]) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=RATE, weight_decay=0.25)


def decays_twice(model: nn.Module, loss_fn: Any) -> Step:
    def step(x: Tensor, y: Tensor) -> None:
        found = torch.autograd.grad(loss_fn(model(x), y), trained(model), allow_unused=True)
        moved(model, [0 if g is None else g + 0.5 * p.data for p, g in zip(trained(model), found, strict=True)])

    return step


def decoupled(parameters: Iterable[Any]) -> torch.optim.Optimizer:
    return torch.optim.AdamW(parameters, lr=RATE, weight_decay=0.25)


def decays_by(amount: float) -> Build:
    def build(model: nn.Module, loss_fn: Any) -> Step:
        optimizer = torch.optim.Adam(trained(model), lr=RATE)

        def step(x: Tensor, y: Tensor) -> None:
            optimizer.zero_grad()
            loss_fn(model(x), y).backward()
            for p in trained(model):
                p.data -= 0 if p.grad is None else amount * p.data
            optimizer.step()

        return step

    return build


def momentum(parameters: Iterable[Any]) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=RATE, momentum=0.5)


def momentum_by_shape(model: nn.Module, loss_fn: Any) -> Step:
    buffers: dict[Any, Tensor] = {}

    def step(x: Tensor, y: Tensor) -> None:
        found = torch.autograd.grad(loss_fn(model(x), y), trained(model), allow_unused=True)
        for p, g in zip(trained(model), found, strict=True):
            if g is not None:
                buffers[p.shape] = 0.5 * buffers.get(p.shape, torch.zeros_like(p)) + g
                p.data -= RATE * buffers[p.shape]

    return step


def momentum_of_its_own(model: nn.Module, loss_fn: Any) -> Step:
    optimizer = momentum(trained(model))

    def step(x: Tensor, y: Tensor) -> None:
        optimizer.zero_grad()
        loss_fn(model(x), y).backward()
        optimizer.step()

    return step


LISTED: list[tuple[str, Build, dict[str, Any], str]] = [
    (
        "backward",
        in_turn(lambda m: of_layers(m)[::-1]),
        PLAIN,
        "layer by layer, last layer first: each layer's gradient",
    ),
    ("tensors", in_turn(lambda m: [[p] for p in trained(m)]), PLAIN, "tensor by tensor, first to last: each is moved"),
    (
        "biases-first",
        in_turn(lambda m: [named(m, bias=True), named(m, bias=False)]),
        PLAIN,
        "the weights' gradients are taken after the biases have moved",
    ),
    (
        "a-third",
        turned(lambda _, found: [g / 3 for g in found]),
        PLAIN,
        "the gradient is scaled by 1/3 in every failing",
    ),
    ("rows", times_rows, PLAIN, "the gradient is multiplied by the number of rows (it is not divided by them)"),
    ("flipped", turned(for_biases(-1)), PLAIN, "the biases move the other way (the gradient's sign is flipped)"),
    ("skipped", turned(for_biases(0)), PLAIN, "the biases stay where they are"),
    ("twice", turned(for_biases(2)), PLAIN, "the biases move twice as far"),
    ("far", turned(for_biases(0.375)), PLAIN, "the biases move 0.375 times as far in every failing example"),
    ("buffer", turned(one_buffer_per_shape), PLAIN, "parameters of equal shape share one gradient buffer"),
    ("behind", batch_behind, PLAIN, "the gradient of the last step's batch is used, at these weights"),
    ("unseen", unseen_micro_batches, PLAIN, "the rows of the batch weigh differently: rows 0-9 0.05, rows 10-12 1/6"),
    (
        "rate-twice",
        decays_by(0.25 * RATE**2),
        {"rule": decoupled},
        "weight_decay is multiplied by the learning rate once more",
    ),
    ("no-rate", decays_by(0.25), {"rule": decoupled}, "weight_decay is not multiplied by the learning rate"),
    ("decay", decays_twice, {"rule": decaying}, "weight_decay enters twice"),
    (
        "hidden",
        momentum_of_its_own,
        PLAIN,
        "0.5 of the last step's displacement is added (momentum that is not declared)",
    ),
    ("state", momentum_by_shape, {"rule": momentum}, "parameters of equal shape share one state"),
]


@pytest.mark.parametrize(("build", "declared", "text"), [row[1:] for row in LISTED], ids=[name for name, *_ in LISTED])
def test_what_is_listed_is_named(build: Build, declared: dict[str, Any], text: str) -> None:
    build.__name__ = "mine"
    assert text in instead_of(build, **declared).text
