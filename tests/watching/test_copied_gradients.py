"""Gradients that are copies of other parameters' gradients, and those that only look like one."""

from __future__ import annotations

import torch
from torch import Tensor

from gdprops.watching.copied_gradients import SEARCHES, CopiedGradients

ORIGINAL = torch.tensor([1.0, -2.0, 3.0])


def parameter(gradient: Tensor | None) -> Tensor:
    found = torch.zeros(3 if gradient is None else gradient.shape, requires_grad=True)
    if gradient is not None:
        found = found.detach().to(gradient.dtype).requires_grad_()
        found.grad = gradient
    return found


def sources(given: list[Tensor], others: list[Tensor], state: CopiedGradients | None = None) -> dict[int, int]:
    """Number the given parameters 1, 2, … and the others 11, 12, …"""
    mine, theirs = list(enumerate(map(parameter, given), 1)), list(enumerate(map(parameter, others), 11))
    return (state or CopiedGradients(4096)).sources(mine, [*mine, *theirs])


def test_a_copy_is_found_through_another_precision_and_a_factor() -> None:
    half = ORIGINAL.bfloat16()
    assert sources([ORIGINAL], [half]) == sources([half.float() / 128], [half]) == {1: 11}
    assert sources([ORIGINAL], [-ORIGINAL]) == sources([ORIGINAL + 0.1], [ORIGINAL]) == {}
    assert sources([ORIGINAL], [torch.zeros(3)]) == sources([ORIGINAL], [ORIGINAL[:2]]) == {}


def test_one_factor_holds_for_all_parameters_of_a_step() -> None:
    other, one = torch.tensor([4.0, 5.0]), torch.tensor([7.0])
    assert sources([one / 4, ORIGINAL / 4, other / 4], [ORIGINAL, other, one]) == {1: 13, 2: 11, 3: 12}
    assert sources([one / 8, ORIGINAL / 4, other / 2], [ORIGINAL, other, one]) == {2: 11}
    assert sources([one], [2 * one]) == {}  # a single entry is a multiple of anything


def test_what_has_no_source_is_searched_for_a_few_times_alone() -> None:
    state = CopiedGradients(4096)
    for _ in range(SEARCHES):
        assert sources([ORIGINAL], [ORIGINAL.flip(0)], state) == {}
    assert sources([ORIGINAL], [ORIGINAL], state) == {}


def test_a_source_is_remembered_and_looked_at_again() -> None:
    state = CopiedGradients(4096)
    assert [sources([ORIGINAL], [ORIGINAL * k], state) for k in range(1, 6)] == [{1: 11}] * 5
    assert sources([ORIGINAL.flip(0)], [ORIGINAL], state) == {}
    assert sources([ORIGINAL], [ORIGINAL.flip(0), ORIGINAL], state) == {}  # another one than before
