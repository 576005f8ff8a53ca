"""An optimizer that is called several times in one step, each time with the same gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.explanations.training_step.examples import instead_of


def one_step_too_far_to_the_right(clips: bool, rule: Any) -> Any:
    """``optimizer.step()`` stands in the loop over the parameters."""

    def build(model: Any, loss_fn: Any) -> Any:
        optimizer = rule(model.parameters(), lr=0.1)

        def step(inputs: Any, targets: Any) -> None:
            optimizer.zero_grad()
            loss_fn(model(inputs), targets).backward()
            for p in model.parameters():
                if clips and p.grad is not None:
                    p.grad.clamp_(-0.125, 0.125)
                optimizer.step()

        return step, optimizer

    return build


@pytest.mark.parametrize(
    ("clips", "rule", "told"),
    [
        (True, torch.optim.SGD, "each time with the same gradients, before and after these are clipped"),
        (False, torch.optim.Adam, "each time with the same gradients"),
    ],
)
def test_an_update_per_parameter_is_told(clips: bool, rule: Any, told: str) -> None:
    declared: dict[str, Any] = {"clip_value": 0.125} if clips else {}
    found = instead_of(one_step_too_far_to_the_right(clips, rule), **declared)
    assert found.text == f"the optimizer is called once per parameter in one step, {told}"
    assert found.clause == "step.once"


def test_two_calls_are_told_as_two() -> None:
    def build(model: Any, loss_fn: Any) -> Any:
        optimizer = torch.optim.Adam(model.parameters(), lr=0.1)

        def step(inputs: Any, targets: Any) -> None:
            optimizer.zero_grad()
            loss_fn(model(inputs), targets).backward()
            optimizer.step()
            optimizer.step()

        return step, optimizer

    assert "called 2 times in one step" in instead_of(build).text


def test_an_extragradient_step_that_does_not_come_back_is_two_updates() -> None:
    def build(model: Any, loss_fn: Any) -> Any:
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

        def step(inputs: Any, targets: Any) -> None:
            saved = list(model.parameters())  # and where is clone()?
            for comes_back in (False, True):
                optimizer.zero_grad()
                loss_fn(model(inputs), targets).backward()
                if comes_back:
                    with torch.no_grad():
                        for p, start in zip(model.parameters(), saved, strict=True):
                            p.copy_(start)
                optimizer.step()

        return step, optimizer

    found = instead_of(build, looks="extragradient").text
    assert found == (
        "it makes two updates on its batch, the second from where the first has led: it does not come back in between"
    )
