"""What begins at a later step: right before it, and from it on what a hypothesis says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gdprops.explanations.training_step.hypothesis import Failure, Hypothesis, Moment, Weights


def from_some_step_on(hypotheses: Sequence[Hypothesis], failures: Sequence[Failure]) -> list[Hypothesis]:
    """Return the same hypotheses from the first wrong step of all on; nothing where that is the first step.

    The step at which it begins is a fitted constant.
    """
    first = min(failure.first.step.number for failure in failures)
    return [] if first == 1 else [_from(one, first) for one in hypotheses if not one.dated]


def _from(hypothesis: Hypothesis, first: int) -> Hypothesis:
    def rival(moment: Moment) -> Weights | None:
        return None if moment.step.number < first else hypothesis.rival(moment)

    text = f"from step {first} on {hypothesis.text}"
    return replace(hypothesis, text=text, rival=rival, constants=hypothesis.constants + 1)
