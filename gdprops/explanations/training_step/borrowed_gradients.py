"""The hypothesis that parameters move by the gradient of another parameter of the same shape.

This happens, for example, when a buffer for gradients is shared by all parameters of one shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gdprops.explanations.training_step.hypothesis import Hypothesis, Weights, on_steps

if TYPE_CHECKING:
    from gdprops.clauses.support.watched_step import Watched
    from gdprops.explanations.training_step.hypothesis import Failure


def borrowed(failures: Sequence[Failure]) -> list[Hypothesis]:
    """Return the hypothesis that parameters move by the gradient of another one; its text names them in one example."""
    step = failures[0].first.step
    whose = lenders(step)
    if not whose:
        return []
    told = ", ".join(f"{step.names[i]} by that of {step.names[j]}" for i, j in whose.items())
    text = f"parameters move by the gradient of another one of the same shape; in the largest example {told}"
    return [Hypothesis(text, on_steps(_by_lenders), broad=2)]


def lenders(step: Watched) -> dict[int, int]:
    """Return for each wrong parameter another parameter whose gradient moves it as the user's step did.

    The result is empty if one of the wrong parameters has no such partner.
    """
    found: dict[int, int] = {}
    for i in range(len(step.names)):
        if step.wrong_at(i):
            own = step.before[i].shape
            others = [j for j, w in enumerate(step.before) if j != i and w.shape == own]
            lender = next((j for j in others if step.is_at_in(i, _moved_by(step, i, j))), None)
            if lender is None:
                return {}
            found[i] = lender
    return found


def _moved_by(step: Watched, i: int, j: int) -> Weights:
    return step.update([step.gradients[j] if k == i else g for k, g in enumerate(step.gradients)])


def _by_lenders(step: Watched) -> Weights | None:
    whose = lenders(step)
    if step.wrong and not whose:
        return None
    return step.update([step.gradients[whose.get(k, k)] for k in range(len(step.names))])
