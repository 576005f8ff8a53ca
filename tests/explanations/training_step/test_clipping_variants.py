"""Clipping that goes wrong in another way than by its bound."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
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


def clips_to(bound: float, *, by: Any = torch.nn.utils.clip_grad_norm_, scale: float = 1.0) -> Any:
    def build(model: Any, loss_fn: Any) -> Any:
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05)

        def step(inputs: Any, targets: Any) -> None:
            optimizer.zero_grad()
            (scale * loss_fn(model(inputs), targets)).backward()
            by(model.parameters(), bound)
            optimizer.step()

        return step, optimizer

    return build


@pytest.mark.parametrize(("bound", "declared", "factor"), [(2e-3, 1e-3, "doubled"), (1e-4, 2e-4, "halved")])
def test_another_bound_than_the_declared_one_is_not_told_as_a_factor_alone(
    bound: float, declared: float, factor: str
) -> None:
    assert instead_of(clips_to(bound), clip_norm=declared).text == (
        f"all gradients are clipped to the global norm {bound:g}, not to {declared:g} or, which gives the same "
        f"weights, the gradient is {factor}"
    )


def test_another_bound_that_some_gradients_do_not_reach() -> None:
    assert (
        instead_of(clips_to(1.5), clip_norm=0.5).text == "all gradients are clipped to the global norm 1.5, not to 0.5"
    )


def test_a_doubled_gradient_that_is_not_clipped_is_no_other_bound() -> None:
    assert instead_of(clips_to(1e4, scale=2.0), clip_norm=1e4).text == "the gradient is doubled"


def test_another_value_than_the_declared_one() -> None:
    by = torch.nn.utils.clip_grad_value_
    assert instead_of(clips_to(0.5, by=by), clip_value=0.25).text == (
        "every entry of the gradient is clipped to the value 0.5, not to 0.25"
    )
