"""Clipping that goes wrong in another way than by its bound."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from gdprops.subjects.training_step.subject import training_step
from tests.explanations.training_step.examples import instead, instead_of


def clips(total: Callable[[list[Tensor]], Tensor], *, always: bool) -> Any:
    def build(model: Any, loss_fn: Any) -> Any:
        ps = list(model.parameters())

        def step(inputs: Any, targets: Any) -> None:
            gs = torch.autograd.grad(loss_fn(model(inputs), targets), ps)
            c = 1.5 / (total([g.norm() for g in gs]) + 1e-6)
            with torch.no_grad():
                for p, g in zip(ps, gs, strict=True):
                    p.sub_(0.1 * (c if always else c.clamp(max=1.0)) * g)

        return step

    return build


def test_a_gradient_that_is_brought_to_the_declared_norm_though_it_is_shorter() -> None:
    build = clips(lambda norms: torch.stack(norms).norm(), always=True)
    assert instead_of(build, lr=0.1, clip_norm=1.5).text == (
        "the gradient is always scaled to the norm 1.5, also where it is shorter"
    )


def test_norms_that_are_added_and_not_their_squares() -> None:
    build = clips(lambda norms: torch.stack(norms).sum(), always=False)
    assert instead_of(build, lr=0.1, clip_norm=1.5).text == (
        "all gradients are clipped to the norm 1.5 by the sum of the tensors' norms, and not by the root of the sum of "
        "their squares"
    )


def test_the_global_norm_is_right() -> None:
    build = clips(lambda norms: torch.stack(norms).norm(), always=False)
    assert instead(training_step(build, name="clips", lr=0.1, clip_norm=1.5)) is None
