"""Faults that nobody had listed: explained by what they do, or described by what was seen; never explained wrongly."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch

from tests.explanations.training_step import invented
from tests.explanations.training_step.examples import instead_of

PLAIN = {"lr": invented.RATE}


def momentum(parameters: Iterable[Any]) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=invented.RATE, momentum=0.9)


DECLARED = {"rule": momentum}
NONE = "none of "
FAULTS: list[tuple[Callable[..., Any], dict[str, Any], str]] = [
    (
        invented.rate_decays_within_the_step,
        PLAIN,
        "the learning rate changes from parameter to parameter: each one's is 0.9 times",
    ),
    (invented.last_row_dropped, PLAIN, "only some rows of the batch are looked at: rows 0-11 of 13"),
    (invented.first_row_repeated, PLAIN, "rows are looked at more than once: rows 0-12, 0 of 13"),
    (invented.every_other_row, PLAIN, "only some rows of the batch are looked at: rows 0, 2, 4, 6, 8, 10, 12 of 13"),
    (invented.one_step_delayed, PLAIN, "the gradient is taken at the weights from before the last step"),
    (invented.extragradient, PLAIN, "where a first update leads, and applied to the weights from before it"),
    (invented.half_of_the_last_gradient, PLAIN, "0.5 of this batch's gradient plus the last step's gradient times 0.5"),
    (invented.penalty, PLAIN, "is this batch's gradient plus the signs of the weights times 0.01"),
    (
        invented.swapped,
        PLAIN,
        "in the largest example layer1.weight by that of layer2.weight, layer2.weight by that of",
    ),
    (invented.middle_out, PLAIN, "in the largest example layer2.bias; layer2.weight; layer3.weight; layer1.bias"),
    (invented.random_order, PLAIN, "in another order every time"),
    (invented.only_the_largest_moves, PLAIN, "some parameters stay where they are, all others are right"),
    (invented.private_noise, PLAIN, "the step is not deterministic: two runs from the same weights, batch and random"),
    (invented.nesterov, DECLARED, "nesterov is switched the other way"),
    (
        invented.forgetful,
        DECLARED,
        "the optimizer's state starts anew each step (a new optimizer every time",
    ),
    (invented.decays_what_it_trains, PLAIN, "after a right update all trained weights are multiplied by 63/64"),
    (invented.divides_by_the_tensors, PLAIN, "the gradient is divided by the number of parameter tensors"),
    (
        invented.zeroes_before_the_step,
        {},
        "no parameter has a gradient when the optimizer is called (not yet, or not any more)",
    ),
    (invented.zeroes_the_weights_only, {}, "the gradients of some parameters are added to those of the earlier steps"),
    (invented.shakes_the_weights_in_between, {}, "the step uses the changed weights (put back before the update) of"),
    (invented.skips_large_gradients, PLAIN, "at some steps all parameters stay where they are, at the others they"),
    (
        invented.steps_after_the_first_of_four,
        {"accumulate": 4},
        "the update is made after micro-batch 1 of 4 (rows 0-6; 7-8; 9-10; 11-12), with what those after it left the",
    ),
    (
        invented.clears_before_each_of_four,
        {"accumulate": 4},
        "divided by their number, but only the last one's counts: the others are cleared before the update",
    ),
    (
        invented.clips_all_but_the_biases,
        {"clip_norm": 0.25},
        "the gradients of all but the biases are clipped, to the norm 0.25",
    ),
    (invented.signs_for_biases, PLAIN, NONE),
    (invented.targets_shifted, PLAIN, "the rows of inputs and targets do not belong together (invented.py:"),
    (invented.bfloat_gradients, PLAIN, NONE),
    (invented.global_noise, PLAIN, "; with other random numbers the step moves elsewhere"),
]


@pytest.mark.parametrize(("build", "declared", "text"), FAULTS, ids=[build.__name__ for build, _, _ in FAULTS])
def test_an_invented_fault_is_explained_or_only_described(
    build: Callable[..., Any], declared: dict[str, Any], text: str
) -> None:
    found = instead_of(build, **declared)
    assert text in found.text
    unproved = found.text.startswith(NONE) or "not deterministic" in found.text
    assert (found.constants is None) == unproved


def test_what_is_described_says_where_to_look() -> None:
    found = instead_of(invented.signs_for_biases, **PLAIN).text
    assert (
        "hypotheses reproduces what was seen; first wrong at step 1; the first parameter is right in every example"
        in found
    )


def test_a_deep_copy_of_the_model_lists_its_parameters_backwards_too() -> None:
    found = instead_of(invented.averages_in, **PLAIN).text
    assert found.startswith(NONE)
    assert "listed in reverse order" not in found
