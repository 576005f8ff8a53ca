"""Hypotheses that the update itself is right, and that something else changes the weights before or after it.

The log says with which weights the optimizer was called and which it left. Clamping weights where gradients should be
clamped, an average that is mixed into the weights, noise that is taken back wrongly: all of that stands around a right
update, and what it does need not be known to say so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdprops.explanations.training_step.hypothesis import Hypothesis, Moment, Weights

if TYPE_CHECKING:
    from gdprops.explanations.training_step.observation import Call


def _only_call(moment: Moment) -> Call | None:
    """Return the one call of an optimizer in a step, None where there is none or are several."""
    calls = () if moment.seen is None else moment.seen.calls
    return calls[0] if len(calls) == 1 else None


def _from_changed_weights(moment: Moment) -> Weights | None:
    """Update with the gradients at the weights before the step, from those that the optimizer was called with."""
    call, step = _only_call(moment), moment.step
    return None if call is None else step.run.update(call.before, step.gradients, step.state, step.settings)


def _changed_afterwards(moment: Moment) -> Weights | None:
    """Return the weights seen, where the optimizer left the expected ones."""
    call, step = _only_call(moment), moment.step
    return step.after if call is not None and step.is_expected(call.after) else None


AROUND = (
    Hypothesis(
        "the weights are changed between their gradients and the update: from the weights that the optimizer is called "
        "with, the update by these gradients is right",
        _from_changed_weights,
        broad=1,
    ),
    Hypothesis(
        "the optimizer's update is right, and after it the step changes the weights once more",
        _changed_afterwards,
        broad=1,
    ),
)
