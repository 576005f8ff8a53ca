"""Hypotheses that hold only from a later step on: a step that trains correctly at first and then goes wrong.

Example: "from step 3 on the last step's gradient is used (stale)".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gdprops.explanations.training_step.hypothesis import Failure, Hypothesis, Moment, Weights


def from_some_step_on(hypotheses: Sequence[Hypothesis], failures: Sequence[Failure]) -> list[Hypothesis]:
    """Return each hypothesis in a form that holds only from the first wrong step of all failing examples on.

    The number of that step counts as a fitted constant. The list is empty if step 1 is already wrong. Hypotheses that
    name certain steps themselves (``dated``) are left out.
    """
    first = min(failure.first.step.number for failure in failures)
    return [] if first == 1 else [_from(one, first) for one in hypotheses if not one.dated]


def _from(hypothesis: Hypothesis, first: int) -> Hypothesis:
    def rival(moment: Moment) -> Weights | None:
        return None if moment.step.number < first else hypothesis.rival(moment)

    text = f"from step {first} on {hypothesis.text}"
    return replace(hypothesis, text=text, rival=rival, constants=hypothesis.constants + 1)
