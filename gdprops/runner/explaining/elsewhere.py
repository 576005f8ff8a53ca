"""Gradients taken somewhere else than at the weights that the step starts from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gdprops.runner.explaining.hypothesis import Hypothesis, Moment, Weights

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.runner.explaining.hypothesis import Failure


def elsewhere(failures: Sequence[Failure]) -> list[Hypothesis]:
    """Return "the gradient is taken at other weights", with what they are, where a forward pass was seen there."""
    starts = {id(moment.step): _start(failure, k) for failure in failures for k, moment in enumerate(failure.moments)}

    def at_the_last_start(moment: Moment) -> Weights | None:
        start = starts.get(id(moment.step))
        return None if start is None else _looked_at(moment, start)

    return [
        Hypothesis("the gradient is taken at the weights from before the last step", at_the_last_start),
        Hypothesis(
            "the gradient is taken where a first update leads, and applied to the weights from before it",
            _at_first_update,
        ),
        Hypothesis("the gradient is taken at weights that the step has changed before it looks", _at_pass, broad=1),
    ]


def _start(failure: Failure, k: int) -> Sequence[Array] | None:
    return failure.moments[k - 1].step.before if k and failure.moments[k - 1].step.number else None


def _looked_at(moment: Moment, weights: Sequence[Array]) -> Weights:
    step = moment.step
    return step.update(step.run.gradients(weights, step.batch))


def _at_first_update(moment: Moment) -> Weights:
    return _looked_at(moment, moment.step.expected)


def _at_pass(moment: Moment) -> Weights | None:
    """Take the gradient at the weights of the last forward pass that was learned from."""
    if moment.seen is None or not moment.seen.learning:
        return None
    return _looked_at(moment, moment.seen.learning[-1].weights)
