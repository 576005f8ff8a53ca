"""Hypotheses that the update itself is right, and that something else comes before or after it, or in beside it.

The log says with which weights the optimizer was called and which it left. Clamping weights where gradients should be
clamped, an average that is mixed into the weights, noise that is taken back wrongly: all of that stands around a right
update, and what it does need not be known to say so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from gdprops.explanations.training_step.explanation_wording import several
from gdprops.explanations.training_step.hypothesis import Hypothesis, Moment, Weights

if TYPE_CHECKING:
    from gdprops.explanations.training_step.hypothesis import Failure
    from gdprops.explanations.training_step.observation import Call


def only_call(moment: Moment) -> Call | None:
    """Return the one call of an optimizer in a step, None where there is none or are several."""
    calls = () if moment.seen is None else moment.seen.calls
    return calls[0] if len(calls) == 1 else None


def _from_changed_weights(moment: Moment) -> Weights | None:
    """Update with the gradients at the weights before the step, from those that the optimizer was called with."""
    call, step = only_call(moment), moment.step
    return None if call is None else step.run.update(call.before, step.gradients, step.state, step.settings)


def _changed_afterwards(moment: Moment) -> Weights | None:
    """Return the weights seen, where the optimizer left the expected ones."""
    call, step = only_call(moment), moment.step
    return step.after if call is not None and step.is_expected(call.after) else None


def of_the_move(one: Hypothesis) -> Hypothesis:
    """Return a hypothesis on how far the optimizer moves; it is none where the log shows that the move was right.

    An average that is copied into the weights after a step of plain descent leaves a tenth of that step: no rate and
    no gradient was scaled.
    """

    def rival(moment: Moment) -> Weights | None:
        contradicted = moment.step.wrong and _changed_afterwards(moment) is not None
        return None if contradicted else one.rival(moment)

    return replace(one, rival=rival)


def reached_otherwise(failures: Sequence[Failure]) -> list[Hypothesis]:
    """Return "a gradient reaches parameters that the declared loss does not reach", which all others are right beside.

    The gradient itself is taken from the log: where it comes from need not be known to say so.
    """
    reached = [_reached_otherwise(moment) for failure in failures for moment in failure.wrong]
    if not all(reached):
        return []
    largest = max(failures, key=lambda failure: sum(w.size for w in failure.first.step.before)).first
    names = [largest.step.names[i] for i in sorted(_reached_otherwise(largest))]
    text = (
        f"a gradient reaches parameters that have none of the declared loss, and moves them ({several(names)}): "
        "something else than that loss is differentiated, or nothing keeps gradients away from them; all others are "
        "right"
    )
    return [Hypothesis(text, _with_theirs, broad=1, about_rest=True)]


def _reached_otherwise(moment: Moment) -> set[int]:
    """Return the parameters that were handed over with a gradient although ours is none, or all zeros."""
    door = None if moment.seen is None else moment.seen.door()
    pairs = enumerate(zip(door or (), moment.step.gradients, strict=False))
    return {i for i, (given, g) in pairs if given is not None and given.any() and (g is None or not g.any())}


def _with_theirs(moment: Moment) -> Weights | None:
    door, theirs, step = None if moment.seen is None else moment.seen.door(), _reached_otherwise(moment), moment.step
    if door is None or not theirs:
        return None
    return step.update([door[i] if i in theirs else g for i, g in enumerate(step.gradients)])


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
