"""What happened to ``.grad``: kept, zeroed, edited or replaced."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from gdprops.watching.gradient_states import GradientStates


def deposited() -> tuple[GradientStates, torch.Tensor]:
    weight = torch.ones(2, requires_grad=True)
    weight.grad = torch.ones(2)
    states = GradientStates()
    states.deposited([(1, weight)])
    return states, weight


def zero(weight: Any) -> None:
    weight.grad.zero_()


def zero_by_data(weight: Any) -> None:
    weight.grad.data.zero_()


def halve(weight: Any) -> None:
    weight.grad *= 0.5


def replace(weight: Any) -> None:
    weight.grad = torch.full((2,), 3.0)


def clear(weight: Any) -> None:
    weight.grad = None


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda weight: None, {1: "kept"}),
        (zero, {1: "zero"}),
        (zero_by_data, {1: "zero"}),
        (halve, {1: "edited"}),
        (replace, {1: "assigned"}),
        (clear, {}),
    ],
)
def test_a_used_gradient_is(change: Any, found: dict[int, str]) -> None:
    states, weight = deposited()
    states.used([(1, weight)])
    change(weight)
    assert states.look([(1, weight)]) == found


def test_a_gradient_that_a_clip_has_changed_is_kept() -> None:
    states, weight = deposited()
    assert weight.grad is not None
    weight.grad *= 0.5
    states.changed([(1, weight)])
    assert states.look([(1, weight)]) == {1: "kept"}


def test_a_gradient_from_before_the_watching_is_somebody_elses() -> None:
    weight = torch.ones(2, requires_grad=True)
    weight.grad = torch.ones(2)
    assert GradientStates().look([(1, weight)]) == {1: "assigned"}


def test_sparse_gradients_have_zeros_too() -> None:
    weight = torch.ones(2, requires_grad=True)
    weight.grad = torch.zeros(2).to_sparse()
    assert GradientStates().look([(1, weight)]) == {1: "zero"}
