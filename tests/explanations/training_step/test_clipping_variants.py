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


def halves_scaled(*, both: bool) -> Any:
    def build(model: Any, loss_fn: Any) -> Any:
        weights = list(model.parameters())
        optimizers = [torch.optim.SGD(weights[:1], lr=0.1), torch.optim.SGD(weights[1:], lr=0.1)]
        scaler = torch.amp.GradScaler("cpu", init_scale=64.0)

        def step(inputs: Any, targets: Any) -> None:
            for one in optimizers:
                one.zero_grad()
            scaler.scale(loss_fn(model(inputs), targets)).backward()
            for one in optimizers if both else optimizers[:1]:
                scaler.unscale_(one)
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            for one in optimizers:
                scaler.step(one)
            scaler.update()

        return step, optimizers

    return build


def test_some_gradients_are_clipped_while_they_are_still_scaled() -> None:
    own: dict[str, Any] = {"models": model_of, "batches": batch_of, "loss": torch.nn.MSELoss(), "clip_norm": 1.0}
    assert instead_of(halves_scaled(both=False), **own).text == (
        "the gradients are clipped to the norm 1 while those of parameter group 2 (of 2) are still scaled by 64 (the "
        "scale is divided out after the clipping: it must be divided out before)"
    )
    assert instead(training_step(halves_scaled(both=True), name="both", **own)) is None


def model_of() -> Any:
    return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2))


def batch_of(index: int) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(index)
    return torch.randn(5, 3, generator=g), 3 * torch.randn(5, 2, generator=g)
