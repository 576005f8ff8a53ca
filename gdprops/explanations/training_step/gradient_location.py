"""Hypotheses that the gradient is taken at other weights than those from which the step starts.

Example: the step moves the weights, runs its forward pass there and applies that gradient to the old weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from gdprops.explanations.training_step.explanation_wording import number
from gdprops.explanations.training_step.hypothesis import Hypothesis, Moment, Weights
from gdprops.numerics import decisions

if TYPE_CHECKING:
    from gdprops.explanations.training_step.hypothesis import Failure
    from gdprops.model.arrays import Array


def elsewhere(failures: Sequence[Failure]) -> list[Hypothesis]:
    """Return the hypotheses that the gradient is taken at other weights; each says at which ones."""
    starts = {id(moment.step): _start(failure, k) for failure in failures for k, moment in enumerate(failure.moments)}

    def at_the_last_start(moment: Moment) -> Weights | None:
        start = starts.get(id(moment.step))
        return None if start is None else _looked_at(moment, start)

    return [
        *_momentum(failures, starts),
        Hypothesis("the gradient is taken at the weights from before the last step", at_the_last_start),
        Hypothesis(
            "the gradient is taken where a first update leads, and applied to the weights from before it",
            _at_first_update,
        ),
        Hypothesis(
            "the gradient is taken at weights that the step has changed before its forward pass", _at_pass, broad=1
        ),
        Hypothesis(
            f"the weights are changed{_by(failures, _torn_by)} between the forward pass and its backward", _torn
        ),
        Hypothesis(
            f"the weights are changed{_by(failures, _start_of_pass)} before the gradient is taken at them", _from_pass
        ),
    ]


def _start(failure: Failure, k: int) -> Sequence[Array] | None:
    return failure.moments[k - 1].step.before if k and failure.moments[k - 1].step.number else None


def _looked_at(moment: Moment, weights: Sequence[Array]) -> Weights:
    step = moment.step
    return step.update(step.run.gradients(weights, step.batch))


def _at_first_update(moment: Moment) -> Weights:
    return _looked_at(moment, moment.step.expected)


def _at_pass(moment: Moment) -> Weights | None:
    """Apply to the starting weights the gradient at the weights of the last forward pass that was learned from."""
    if moment.seen is None or not moment.seen.learning:
        return None
    return _looked_at(moment, moment.seen.learning[-1].weights)


def _from_pass(moment: Moment) -> Weights | None:
    """Make the whole step from the weights of the forward pass instead of the starting weights."""
    start = _start_of_pass(moment)
    step = moment.step
    if start is None or _alike(start, step.before):
        return None
    return step.run.update(start, step.run.gradients(start, step.batch), step.state, step.settings)


def _start_of_pass(moment: Moment) -> Sequence[Array] | None:
    """Return the weights at the forward pass that was learned from, None if there is not exactly one."""
    if moment.seen is None or len(moment.seen.learning) != 1:
        return None
    return moment.seen.learning[0].weights


def _torn(moment: Moment) -> Weights | None:
    """Make the whole step from the weights at the optimizer's call, where these differ from the forward pass's weights.

    The backward pass then combines the activations of the old weights with the new weights.
    """
    step, start, met = moment.step, _start_of_pass(moment), _torn_by(moment)
    if start is None or met is None or _alike(start, met):
        return None
    return step.run.update(met, step.run.torn(start, met, step.batch), step.state, step.settings)


def _alike(a: Sequence[Array], b: Sequence[Array]) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def _torn_by(moment: Moment) -> Sequence[Array] | None:
    return moment.seen.calls[0].before if moment.seen is not None and moment.seen.calls else None


def _by(failures: Sequence[Failure], place: Callable[[Moment], Sequence[Array] | None]) -> str:
    """Return " (multiplied by k)" if one factor k leads from the starting weights to those at ``place``, else ""."""
    first = failures[0].first
    start = place(first)
    if start is None:
        return ""
    a, b = (np.concatenate([w.ravel() for w in weights]) for weights in (start, first.step.before))
    k = float(a @ b / (b @ b)) if b.any() else 0.0
    near = bool((np.abs(a - k * b) <= decisions.REGRESSION_RESIDUAL * np.abs(b).max()).all())
    return f" (multiplied by {number(k)})" if near else ""


def _momentum(failures: Sequence[Failure], starts: Mapping[int, Sequence[Array] | None]) -> list[Hypothesis]:
    """Return the hypothesis that a share of the last step's displacement is added; the share is fitted."""

    def last_move(moment: Moment) -> list[Array] | None:
        start = starts.get(id(moment.step))
        return None if start is None else [b - a for a, b in zip(start, moment.step.before, strict=True)]

    def share(moment: Moment) -> float | None:
        moves = last_move(moment)
        if moves is None or not any(m.any() for m in moves):
            return None
        pairs = list(zip(moment.step.after, moment.step.expected, moves, strict=True))
        return sum(float(((a - e) * m).sum()) for a, e, m in pairs) / sum(float((m * m).sum()) for *_, m in pairs)

    shown = [k for failure in failures if (k := share(failure.first)) is not None]
    if not shown or not failures[0].anchored:
        return []
    k = shown[0]

    def rival(moment: Moment) -> Weights | None:
        moves = last_move(moment)
        return None if moves is None else [e + k * m for e, m in zip(moment.step.expected, moves, strict=True)]

    return [
        Hypothesis(f"{number(k)} of the last step's displacement is added (momentum that is not declared)", rival, 1)
    ]
