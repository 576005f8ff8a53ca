"""Prove that a training step uses weights that it has already updated (in-place backprop, for example).

The proof is a counterfactual: the user's step runs again, and every read of an already updated parameter gets the
numbers from before the step. If the step ends right in this way and wrong otherwise, these reads are the cause.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gdprops.errors import GdpropsError
from gdprops.explanations.training_step.explanation_wording import several
from gdprops.explanations.training_step.hypothesis import Hypothesis, Moment, Weights
from gdprops.numerics import decisions

if TYPE_CHECKING:
    from gdprops.clauses.support.watched_step import Watched
    from gdprops.explanations.training_step.hypothesis import Failure
    from gdprops.model.training_run import TrainedSubject

PLACES = {
    "backward": "while the gradients of the layers before are computed (in-place backprop)",
    "forward": "in a forward pass",
    "update": "in the update of another parameter",
}


def late_reads(subject: TrainedSubject, failures: Sequence[Failure]) -> list[Hypothesis]:
    """Return the hypothesis that the step uses already updated weights, none if it is not proved.

    It is proved if the step is right in every failing example once its reads are answered with the old weights.
    """
    wrong = [(failure.case, moment) for failure in failures for moment in failure.wrong]
    if any(moment.seen is None or not moment.seen.late for _, moment in wrong):
        return []
    cases = {id(moment.step): case for case, moment in wrong}
    right = [_is_right(subject, case, moment.step, _late(moment)) for case, moment in wrong]
    if not all(right):
        return []

    def rival(moment: Moment) -> Weights | None:
        return moment.step.after if id(moment.step) in cases else None

    return [Hypothesis(_text(subject, *wrong[0]), rival, clause="", broad=2)]


def _late(moment: Moment) -> set[int]:
    return set() if moment.seen is None else {read.parameter for read in moment.seen.late}


def _is_right(subject: TrainedSubject, case: Any, step: Watched, chosen: Collection[int]) -> bool:
    from gdprops.explanations.training_step.frozen_reads import stepped_on_frozen_reads

    run = subject.begin(case)
    try:
        for t in range(step.batch):
            run.step(t)
        ended = stepped_on_frozen_reads(run, step.batch, chosen)
    except (GdpropsError, RuntimeError):
        return False
    return step.is_expected(ended)


def _text(subject: TrainedSubject, case: Any, moment: Moment) -> str:
    """Return the sentence that names the parameters that must be read with their old values, and where they are read.

    A parameter is not named if the step is right without freezing its reads.
    """
    needed = sorted(_late(moment))
    for i in list(needed):
        fewer = [k for k in needed if k != i]
        if fewer and _is_right(subject, case, moment.step, fewer):
            needed = fewer
    names = several([moment.step.names[i] for i in needed])
    found = {read.place for read in (moment.seen.late if moment.seen else ()) if read.parameter in needed}
    where = PLACES["forward" if "forward" in found else "backward" if "backward" in found else "update"]
    which = "changed weights (put back before the update)" if _are_put_back(moment) else "already updated weights"
    return f"the step uses the {which} of {names} {where}: with their old values it is right"


def _are_put_back(moment: Moment) -> bool:
    """Say whether, at the last call of an optimizer, the weights were those from before the step, up to rounding."""
    if moment.seen is None or not moment.seen.calls:
        return False
    met, start = moment.seen.calls[-1].before, moment.step.before
    return all(np.allclose(a, b, rtol=decisions.REGRESSION_RESIDUAL, atol=0) for a, b in zip(met, start, strict=True))
