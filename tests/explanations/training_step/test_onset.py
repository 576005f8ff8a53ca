"""A fault that sets in late is told with the step at which it does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.explanations.training_step.examples import instead_of
from tests.samples import training_steps


@pytest.mark.parametrize(
    ("build", "text", "clause"),
    [
        (
            training_steps.doubles_from_the_third_step_on,
            "from step 3 on backward starts from 2 times the loss (training_steps.py:299)",
            "step.simultaneous",
        ),
        (
            training_steps.zeroes_until_the_third_step,
            "from step 3 on the gradient is added to what the step before left",
            "step.fresh-gradient",
        ),
        (training_steps.zeroes_too_late_from_the_third_step_on, "from step 3 on no gradient is used", "step.moves-all"),
        (training_steps.doubles_from_the_fifth_step_on, "from step 5 on the gradient is doubled", "step.simultaneous"),
    ],
)
def test_what_begins_later_is_told_with_its_step(build: Callable[..., Any], text: str, clause: str) -> None:
    found = instead_of(build)
    assert found.text == text
    assert found.clause == clause
    assert found.constants is not None
    assert found.constants >= 1


def test_a_rate_in_force_that_is_not_the_declared_one_is_told() -> None:
    found = instead_of(training_steps.scheduler_first, lr=0.1)
    assert found.text == (
        "the optimizer is called with another learning rate than the declared one (a scheduler has moved it)"
    )
    assert found.constants == 0
