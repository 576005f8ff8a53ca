"""A decay that the step makes by hand beside its optimizer's is told with its factor."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.explanations.training_step.examples import instead_of


def decays_beside(which: str) -> Any:
    def build(model: Any, loss_fn: Any) -> Any:
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.02, weight_decay=0.1)

        def step(inputs: Any, targets: Any) -> None:
            optimizer.zero_grad()
            loss_fn(model(inputs), targets).backward()
            with torch.no_grad():
                for p in model.parameters():
                    if which == "all" or (p.requires_grad if which == "trainable" else p.grad is not None):
                        p.mul_(0.75)
            optimizer.step()

        return step, optimizer

    return build


@pytest.mark.parametrize("which", ["all", "trainable", "with a gradient"])
def test_a_decay_between_backward_and_the_update_is_told(which: str) -> None:
    found = instead_of(decays_beside(which)).text
    assert found.startswith("between backward and the update all weights"), found
    assert found.endswith("are multiplied by 0.75 (a decay beside the optimizer's)")


def test_a_declared_decay_of_what_is_frozen_is_told() -> None:
    def build(model: Any, loss_fn: Any) -> Any:
        adam = torch.optim.Adam(model.parameters(), lr=0.05)

        def step(inputs: Any, targets: Any) -> None:
            adam.zero_grad()
            loss_fn(model(inputs), targets).backward()
            with torch.no_grad():
                for p in model.parameters():
                    p.mul_(1 - 0.05 * 0.5)
            adam.step()

        return step, adam

    found = instead_of(build, rule=lambda ps: torch.optim.AdamW(ps, lr=0.05, weight_decay=0.5)).text
    assert found == "the decay moves frozen parameters, or those without a gradient, too; all others are right"


def decays_after(which: str) -> Any:
    def build(model: Any, loss_fn: Any) -> Any:
        adam = torch.optim.Adam(model.parameters(), lr=0.05)

        def step(inputs: Any, targets: Any) -> None:
            adam.zero_grad()
            loss_fn(model(inputs), targets).backward()
            adam.step()
            with torch.no_grad():
                for p in model.parameters():
                    if which == "all" or p.grad is not None:
                        p.mul_(1 - 0.05 * 0.5)

        return step, adam

    return build


@pytest.mark.parametrize(("which", "too"), [("all", ", and to frozen ones"), ("with a gradient", "")])
def test_a_declared_decay_of_weights_that_have_moved_is_told(which: str, too: str) -> None:
    found = instead_of(decays_after(which), rule=lambda ps: torch.optim.AdamW(ps, lr=0.05, weight_decay=0.5)).text
    assert found == f"the decay is applied to the weights that the step has already moved{too}"
