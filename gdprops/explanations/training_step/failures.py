"""Run the failing examples again and watch them: an explanation must hold in all of those that are kept here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from gdprops.clauses.support.watched_step import Watched, watch
from gdprops.errors import GdpropsError
from gdprops.explanations.training_step.hypothesis import Failure, Moment
from gdprops.numerics import decisions

if TYPE_CHECKING:
    from gdprops.explanations.training_step.observation import Observation
    from gdprops.model.training_run import TrainedSubject

MOST_EXAMPLES, FEW_EXAMPLES = 7, 2
"""How many failing examples are kept, and how many of large models: their many entries must all be reproduced."""


def failures_of(subject: TrainedSubject, cases: Iterable[Any]) -> list[Failure]:
    """Return the first few cases in which a step is wrong, with the log of every step."""
    found: list[Failure] = []
    for case in cases:
        failure = failure_of(subject, case)
        if failure is not None:
            found.append(failure)
        if found and len(found) >= (FEW_EXAMPLES if is_large(found[0]) else MOST_EXAMPLES):
            break
    return found


def is_large(failure: Failure) -> bool:
    """Say whether a failing example is of a large model."""
    return sum(w.size for w in failure.first.step.before) > decisions.LARGE_MODEL


def failure_of(subject: TrainedSubject, case: Any) -> Failure | None:
    """Return the steps of a case; None if all are right, or if the user's step raises."""
    try:
        steps = watch(subject, case, to_the_end=True)
    except GdpropsError:
        return None
    finite = [step for step in steps if all(np.isfinite(w).all() for w in (*step.after, *step.expected))]
    judged = [step for step in finite if not step.skipped]
    if not any(step.wrong for step in judged):
        return None
    seen = observed(subject, case, steps)
    moments = tuple(Moment(step, seen.get(step.number)) for step in judged)
    return Failure(case, moments, steps[0].run.is_anchored or _keeps_nothing(steps))


def _keeps_nothing(steps: list[Watched]) -> bool:
    """Say whether the declared rule has kept no state after a step, as SGD without momentum: any step can be judged."""
    state = steps[-1].state
    return len(steps) > 1 and isinstance(state, tuple) and not any(state[0])


def observed(subject: TrainedSubject, case: Any, steps: list[Watched]) -> dict[int, Observation]:
    """Return the log of every step by its number, up to the first step that ends elsewhere when it is watched."""
    if steps[0].run.live is None:
        return {}
    from gdprops.explanations.training_step.recording import record

    run, found = subject.begin(case), dict[int, Any]()
    for step in steps:
        try:
            seen = record(run, step.batch)
        except GdpropsError:
            break
        if any(a.tobytes() != b.tobytes() for a, b in zip(seen.after, step.after, strict=True)):
            break
        found[step.number] = seen
    return found
