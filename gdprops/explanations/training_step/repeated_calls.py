"""Hypotheses that one step calls the optimizer several times, each time with its own gradients as they are by then.

``optimizer.step()`` inside a loop over the parameters makes one update per parameter. The log says how often the
optimizer was called and with which gradients. Each of them must be one of ours, clipped as declared or not clipped yet;
U of ours, one call after the other, must then end at the weights seen. Nothing is taken from the log but which of the
two a gradient was.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from gdprops.explanations.training_step.hypothesis import Hypothesis, Moment, Weights
from gdprops.numerics import decisions

if TYPE_CHECKING:
    from gdprops.clauses.support.watched_step import Grads
    from gdprops.explanations.training_step.hypothesis import Failure
    from gdprops.model.arrays import Array

ONCE = "step.once"


def repeated_calls(failures: Sequence[Failure]) -> list[Hypothesis]:
    """Return "the optimizer is called n times in one step", where the log of every wrong step shows several calls."""
    wrong = [moment for failure in failures for moment in failure.wrong]
    found = [None if moment.seen is None else _same_calls(moment) for moment in wrong]
    if not all(found):
        return []
    counts = [len(calls or ()) for calls in found]
    each = all(count == len(moment.step.names) for count, moment in zip(counts, wrong, strict=True))
    often = "once per parameter" if each and len(set(counts)) > 1 else f"{max(counts)} times"
    clipped = ", before and after these are clipped" if any(map(_are_mixed, wrong)) else ""
    where = "" if each or len(set(counts)) == 1 else " in the largest example"
    text = f"the optimizer is called {often} in one step{where}, each time with the same gradients{clipped}"
    return [Hypothesis(text, _replayed, clause=ONCE, broad=-1, about_rest=True)]


def _same_calls(moment: Moment) -> list[Grads] | None:
    """Return our gradients of every call; None where there are fewer than two calls, or other gradients than ours."""
    step, seen = moment
    if seen is None or len(seen.calls) < 2 or not seen.hands_over_twice():
        return None
    if len({tuple(g is None for g in call.gradients) for call in seen.calls}) > 1:
        return None  # as by a hook in the middle of a backward pass
    raw = step.run.gradients(step.before, step.batch, clipped=False)
    found = [_ours(call.gradients, step.gradients, raw) for call in seen.calls]
    return [calls for calls in found if calls is not None] if None not in found else None


def _ours(given: Grads, clipped: Grads, raw: Grads) -> Grads | None:
    """Return for each gradient that was given our own one, as it is clipped or as it is not; None where it is none."""
    found = list["Array | None"]()
    for seen, ours, plain in zip(given, clipped, raw, strict=True):
        near = next((g for g in (ours, plain) if _is_near(seen, g)), None)
        if seen is not None and near is None:
            return None
        found.append(None if seen is None else near)
    return found


def _is_near(seen: Array | None, right: Array | None) -> bool:
    if seen is None or right is None:
        return False
    most = np.abs(right).max(initial=0.0)
    return bool(np.abs(seen - right).max(initial=0.0) <= decisions.REGRESSION_RESIDUAL * most)


def _are_mixed(moment: Moment) -> bool:
    """Say whether a parameter was handed over by several calls with different gradients."""
    calls = () if moment.seen is None else moment.seen.calls
    held = [[call.gradients[i] for call in calls] for i in range(len(moment.step.names))]
    return any(g is not None and not _is_near(g, several[0]) for several in held for g in several[1:])


def _replayed(moment: Moment) -> Weights | None:
    calls = _same_calls(moment)
    if not calls:
        return None
    step = moment.step
    v, state = list(step.before), step.state
    for gradients in calls:
        v, state = step.run.update(v, gradients, state, step.settings), None
    return v
