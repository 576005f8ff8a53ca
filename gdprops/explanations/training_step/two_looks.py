"""What goes wrong between the looks of an optimizer that looks twice: SAM climbs, looks again, and descends from there.

The gradient of the second look is to be the second look's alone. Where nothing clears the first one's before, both add
up; where the weights are back too early, or the second backward pass is another one's, the first look's is used again.
And where they never come back, the descent begins at the top of the climb.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gdprops.explanations.training_step.around_the_update import only_call
from gdprops.explanations.training_step.hypothesis import Hypothesis, Rival, on_steps

if TYPE_CHECKING:
    from gdprops.clauses.support.watched_step import Watched
    from gdprops.explanations.training_step.hypothesis import Moment, Weights
    from gdprops.subjects.training_step.expected_update import SecondLook


def _rival(second: SecondLook) -> Rival:
    def of_step(step: Watched) -> Any:
        run: Any = step.run
        if not hasattr(run, "update_by_looks"):
            return None
        run.gradients(step.before, step.batch)  # later looks are at the batch that was looked at last
        return run.update_by_looks(step.before, step.gradients, step.state, step.settings, second)

    return on_steps(of_step)


def _stays_there(moment: Moment) -> Weights | None:
    """Update by the gradients at the weights that the optimizer is called with, where these are no longer the first."""
    step, call = moment.step, only_call(moment)
    if call is None or all(map(np.array_equal, call.before, step.before)):
        return None
    run: Any = step.run
    gradients = run.gradients(call.before, step.batch)
    if hasattr(run, "single_update"):
        moved: Weights = run.single_update(call.before, gradients, step.state, step.settings)[0]
        return moved
    return run.update(call.before, gradients, step.state, step.settings)  # type: ignore[no-any-return] # of one look


TWO_LOOKS = (
    Hypothesis(
        "the weights are moved for a second look and never moved back (SAM's climb is not undone): the update is made "
        "from where the second look was taken",
        _stays_there,
    ),
    Hypothesis(
        "the gradients of both looks add up: nothing clears the first look's (zero_grad) before the second backward",
        _rival(lambda before, own: before + own),
    ),
    Hypothesis(
        "it steps by the gradient of its first look again: the second look is taken where the step began, or not used",
        _rival(lambda before, own: before),
    ),
    Hypothesis("it steps by the mean of both looks' gradients", _rival(lambda before, own: (before + own) / 2)),
)
