"""What goes wrong between the looks of an optimizer that looks twice: SAM climbs, looks again, and descends from there.

The gradient of the second look is to be the second look's alone. Where nothing clears the first one's before, both add
up; where the weights are back too early, or the second backward pass is another one's, the first look's is used again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gdprops.explanations.training_step.hypothesis import Hypothesis, Rival, on_steps

if TYPE_CHECKING:
    from gdprops.clauses.support.watched_step import Watched
    from gdprops.subjects.training_step.expected_update import SecondLook


def _rival(second: SecondLook) -> Rival:
    def of_step(step: Watched) -> Any:
        run: Any = step.run
        if not hasattr(run, "update_by_looks"):
            return None
        run.gradients(step.before, step.batch)  # later looks are at the batch that was looked at last
        return run.update_by_looks(step.before, step.gradients, step.state, step.settings, second)

    return on_steps(of_step)


TWO_LOOKS = (
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
