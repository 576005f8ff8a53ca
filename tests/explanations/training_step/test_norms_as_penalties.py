"""A penalty that is a norm, where half its square is declared: its derivative is a direction of length one."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gdprops.subjects.training_step.subject import training_step
from tests.explanations.training_step.examples import instead, instead_of


def penalized(*, squared: bool) -> Any:
    def build(model: Any, loss_fn: Any) -> Any:
        optimizer = torch.optim.SGD(model.parameters(), lr=0.125)

        def penalty(w: Tensor) -> Tensor:
            return w.square().sum() / 2 if squared else torch.linalg.vector_norm(w)

        def step(inputs: Any, targets: Any) -> None:
            optimizer.zero_grad()
            loss = loss_fn(model(inputs), targets) + 0.25 * sum(penalty(w) for w in model.parameters())
            loss.backward()
            optimizer.step()

        return step, optimizer

    return build


def declared(parameters: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=0.125, weight_decay=0.25)


def test_the_norm_is_named() -> None:
    assert instead_of(penalized(squared=False), rule=declared).text == (
        "the gradient handed over is this batch's gradient plus the weights themselves times -0.25 plus the weights "
        "divided by the norm of their tensor (what a norm in the loss gives that is not squared) times 0.25"
    )


def test_half_its_square_is_right() -> None:
    assert instead(training_step(penalized(squared=True), name="squared", rule=declared)) is None
