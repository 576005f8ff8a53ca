"""Clipping that goes wrong in another way than by its bound."""

from __future__ import annotations

from typing import Any

import torch

from tests.explanations.training_step.examples import instead_of


def test_a_gradient_that_is_brought_to_the_declared_norm_though_it_is_shorter() -> None:
    def build(model: Any, loss_fn: Any) -> Any:
        ps = list(model.parameters())

        def step(inputs: Any, targets: Any) -> None:
            gs = torch.autograd.grad(loss_fn(model(inputs), targets), ps)
            total = torch.sqrt(sum(g.square().sum() for g in gs))
            with torch.no_grad():
                for p, g in zip(ps, gs, strict=True):
                    p.sub_(0.1 * 2.0 / (total + 1e-6) * g)

        return step

    found = instead_of(build, lr=0.1, clip_norm=2.0).text
    assert found == "the gradient is always scaled to the norm 2, also where it is shorter"
