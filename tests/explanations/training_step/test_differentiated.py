"""What a step differentiates and hands over, where that is not the gradient of the declared loss."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from gdprops.subjects.training_step.subject import training_step
from tests.explanations.training_step.examples import instead, instead_of


def batches(index: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(index)
    return torch.randn(6, 3, generator=generator), torch.randint(0, 2, (6,), generator=generator)


def net() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 2))


CLASSES: dict[str, Any] = {"models": net, "batches": batches, "loss": nn.CrossEntropyLoss(label_smoothing=0.2)}


def test_a_criterion_without_its_smoothing_is_another_loss() -> None:
    def build(model: nn.Module, _: Any) -> Any:
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

        def step(x: Tensor, y: Tensor) -> None:
            optimizer.zero_grad()
            functional.cross_entropy(model(x), y).backward()  # type: ignore[no-untyped-call] # torch's own
            optimizer.step()

        return step, optimizer

    found = instead_of(build, **CLASSES).text
    assert found.startswith(
        "another loss than the declared one is differentiated: in the largest example backward at test_differentiated"
    )


def test_a_term_that_is_declared_nowhere_is_told_beside_the_loss() -> None:
    def build(model: nn.Module, loss_fn: Any) -> Any:
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

        def step(x: Tensor, y: Tensor) -> None:
            optimizer.zero_grad()
            out = model(x)
            (loss_fn(out, y) + 0.1 * out.logsumexp(1).pow(2).mean()).backward()
            optimizer.step()

        return step, optimizer

    assert instead_of(build, **CLASSES).text.startswith("the loss and something beside it are differentiated: in the")


def penalized(model: nn.Module, x: Tensor, y: Tensor, *, create_graph: bool = True) -> Tensor:
    x = x.detach().requires_grad_()
    out = model(x)
    (slope,) = torch.autograd.grad(out.sum(), x, create_graph=create_graph, retain_graph=True)
    return functional.cross_entropy(out, y) + slope.pow(2).sum(1).mean()


def test_a_penalty_without_create_graph_is_held_fixed() -> None:
    def build(model: nn.Module, _: Any) -> Any:
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

        def step(x: Tensor, y: Tensor) -> None:
            optimizer.zero_grad()
            penalized(model, x, y, create_graph=False).backward()  # type: ignore[no-untyped-call] # torch's own
            optimizer.step()

        return step, optimizer

    found = instead_of(build, models=net, batches=batches, objective=penalized).text
    assert found.startswith(
        "backward starts from the right loss and leaves other gradients: a part of it is held fixed on the way (no_grad"
    )


def test_a_penalty_with_create_graph_is_right() -> None:
    def build(model: nn.Module, objective: Any) -> Any:
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

        def step(x: Tensor, y: Tensor) -> None:
            optimizer.zero_grad()
            objective(model, x, y).backward()
            optimizer.step()

        return step, optimizer

    assert instead(training_step(build, models=net, batches=batches, objective=penalized, name="right")) is None


class Pair(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.teacher, self.student = nn.Linear(3, 2), nn.Linear(3, 2)


def distilled(model: Any, x: Tensor, _: Tensor) -> Tensor:
    with torch.no_grad():
        goal = model.teacher(x)
    return functional.mse_loss(model.student(x), goal)


def test_a_teacher_that_learns_is_named() -> None:
    def build(model: Any, _: Any) -> Any:
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

        def step(x: Tensor, _: Tensor) -> None:
            optimizer.zero_grad()
            functional.mse_loss(model.student(x), model.teacher(x)).backward()
            optimizer.step()

        return step, optimizer

    found = instead_of(build, models=Pair, batches=batches, objective=distilled).text
    assert found.startswith(
        "a gradient reaches parameters that have none of the declared loss, and moves them (teacher.weight and "
        "teacher.bias): something else"
    )


def test_gradients_of_zeros_are_told_from_none() -> None:
    def build(model: Any, loss_fn: Any) -> Any:
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, weight_decay=0.5)

        def step(x: Tensor, y: Tensor) -> None:
            optimizer.zero_grad()
            loss_fn(model(x), y).backward()
            for p in model[0].parameters():  # "frozen"
                p.grad.zero_()
            optimizer.step()

        return step, optimizer

    found = instead_of(build, **CLASSES, frozen="0.*").text
    assert found.startswith("some parameters are given a gradient of zeros, all others are right: the optimizer's")
