"""What a step differentiates, where that is not the declared loss: told by the value that backward starts from.

A step that forgets the label smoothing of its criterion starts backward from another number than the loss J. One that
computes a part of J under ``no_grad`` starts from J itself, and gets another gradient. The update with the gradients
that this backward leaves must end at the weights seen: then nothing else is wrong, and the two values say which it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from gdprops.explanations.training_step.explanation_wording import number
from gdprops.explanations.training_step.hypothesis import Hypothesis, Moment, Weights
from gdprops.numerics import decisions

if TYPE_CHECKING:
    from gdprops.explanations.training_step.hypothesis import Failure
    from gdprops.explanations.training_step.observation import Root


def differentiated_scalars(failures: Sequence[Failure]) -> list[Hypothesis]:
    """Return what the one backward of every wrong step starts from, beside the declared loss there."""
    wrong = [moment for failure in failures for moment in failure.wrong]
    roots = [_only_root(moment) for moment in wrong]
    if not wrong or not all(roots):
        return []
    pairs = [(root, moment) for root, moment in zip(roots, wrong, strict=True) if root is not None]
    others = [(root, moment) for root, moment in pairs if not _is_near(root.value, moment.step.loss_before)]
    places = {root.place for root, _ in pairs}
    if len(places) != 1:
        return []
    (place,) = places
    if not others:  # one example alone may give two losses the same value
        return [Hypothesis(f"{_HELD_FIXED} (backward at {place})", _by_its_gradients, broad=2, about_rest=True)]
    root, moment = max(others, key=lambda pair: sum(w.size for w in pair[1].step.before))
    declared = f"the declared loss is {number(moment.step.loss_before)} there"
    beside = "the loss and something beside it are differentiated"
    what = beside if all(_calls_the_loss(m) for m in wrong) else "another loss than the declared one is differentiated"
    text = f"{what}: in the largest example backward at {place} starts from {number(root.value)}, and {declared}"
    return [Hypothesis(text, _by_its_gradients, broad=2, about_rest=True)]


_HELD_FIXED = (
    "backward starts from the right loss and leaves other gradients: a part of it is held fixed on the way (no_grad, "
    "detach, a gradient penalty without create_graph), or a hook or a backward of its own changes them"
)


def _only_root(moment: Moment) -> Root | None:
    """Return the one scalar that backward starts from, at the weights before the step; None where that is not known."""
    step, seen = moment
    if seen is None or len(seen.roots) != 1:
        return None
    there = all(all(map(np.array_equal, one.weights, step.before)) for one in seen.learning)
    return seen.roots[0] if there else None


def _calls_the_loss(moment: Moment) -> bool:
    """Say whether a loss of the declared value is called, and backward passes through it."""
    losses = () if moment.seen is None else moment.seen.losses
    return any(call.factor and _is_near(call.value, moment.step.loss_before) for call in losses)


def _is_near(a: float, b: float) -> bool:
    return abs(a - b) <= decisions.REGRESSION_RESIDUAL * max(abs(a), abs(b))


def _by_its_gradients(moment: Moment) -> Weights | None:
    root = _only_root(moment)
    return None if root is None else moment.step.update(moment.step.run.clip(list(root.added)))
