"""Run the user's step again: unchanged, with other random numbers, and with the parameters in reverse order.

If an unchanged run ends elsewhere, the step is not deterministic, and nothing else can be explained.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gdprops.clauses.support.watched_step import watch
from gdprops.errors import GdpropsError
from gdprops.explanations.training_step.failures import failure_of
from gdprops.explanations.training_step.matching import reproduces
from gdprops.model.case import TrainCase

if TYPE_CHECKING:
    from gdprops.clauses.support.watched_step import Watched
    from gdprops.explanations.training_step.hypothesis import Failure, Hypothesis
    from gdprops.model.training_run import TrainedSubject

NOT_DETERMINISTIC = (
    "the step is not deterministic: two runs from the same weights, batch and random numbers differ (or it keeps "
    "something from one run for the next, such as a global variable)"
)


def repeats(subject: TrainedSubject, failure: Failure) -> bool:
    """Say whether a second run of a failing example ends at the same weights, bit for bit, at every step."""
    return _same(failure, _again(subject, failure.case))


def _again(subject: Any, case: Any) -> list[Watched]:
    try:
        return watch(subject, case, to_the_end=True)
    except GdpropsError:
        return []


def _same(failure: Failure, again: list[Watched]) -> bool:
    ended = {step.number: _bytes(step) for step in again}
    return all(ended.get(moment.step.number) == _bytes(moment.step) for moment in failure.moments)


def _bytes(step: Watched) -> list[bytes]:
    return [w.tobytes() for w in step.after]


def evidence(subject: Any, failure: Failure) -> Iterator[str]:
    """Yield facts: the result changes with other random numbers, or with another order of the parameters."""
    case = failure.case
    if isinstance(case, TrainCase):
        other = replace(case, plan=replace(case.plan, seed=case.plan.seed + 1))
        if not _same(failure, _again(subject, other)):
            yield "with other random numbers the step moves elsewhere"
            return
    if failure.first.step.run.live is not None and not _same_to_rounding(failure, _reversed(subject, case)):
        yield "with the parameters listed in reverse order the step moves elsewhere"


def _reversed(subject: Any, case: Any) -> list[Watched]:
    from gdprops.explanations.training_step.reordering import listing_backwards

    return _again(listing_backwards(subject), case)


def _same_to_rounding(failure: Failure, again: list[Watched]) -> bool:
    """Say whether the first wrong step ends at the same weights again, up to rounding.

    Later steps start from other weights and are not compared. A run that does not get that far counts as the same.
    """
    first = failure.first.step
    other = next((step for step in again if step.number == first.number), None)
    return other is None or other.is_at(first.after)


def told_apart(subject: Any, failures: Sequence[Failure], told: list[Hypothesis]) -> list[Hypothesis]:
    """Return those of several explanations that hold at half the rate of the returned optimizer, too.

    A factor of 0.1 at a rate of 0.1 may be the rate or a constant: at 0.05 it is one of them. Where that excludes none,
    or all of them, they stay a tie.
    """
    failure = failures[0]
    if len({one.text for one in told}) < 2 or not getattr(failure.first.step.run, "has_optimizer", False):
        return told
    from gdprops.explanations.training_step.reordering import at_half_the_rate

    halved = failure_of(at_half_the_rate(subject), failure.case)
    kept = [] if halved is None else [one for one in told if reproduces(one, [halved])]
    return kept or told
