"""Factors that change from step to step: a power of a number, the step's number, a rate of another step.

Gradient hooks that are registered anew in every step pile up: step 2 moves 0.5 times as far as it should, step 3 0.25
times. A rate that was read before the scheduler ran is the first one for ever. Factors come from one example; the
hypothesis must then end at the weights seen at every step of all of them.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gdprops.explanations.training_step.explanation_wording import number
from gdprops.explanations.training_step.factors import roles_of_wrong
from gdprops.explanations.training_step.hypothesis import Hypothesis, Weights
from gdprops.explanations.training_step.rule_faults import settings_of
from gdprops.numerics import decisions

if TYPE_CHECKING:
    from gdprops.clauses.support.watched_step import Watched
    from gdprops.explanations.training_step.hypothesis import Failure, Moment

Series = Callable[[int], float]
"""The factor of the step with a number, counted from 1."""
SOME = "some parameters are wrong, all others are right"


def over_steps(failures: Sequence[Failure]) -> list[Hypothesis]:
    """Return what the factors of the failing examples follow from step to step."""
    if not all(failure.anchored for failure in failures):
        return []
    return [*_series(failures), *_other_rates(failures)]


def _series(failures: Sequence[Failure]) -> list[Hypothesis]:
    longest = max(failures, key=lambda failure: len(failure.moments))
    factors = {m.step.number: k for m in longest.moments if (k := factor_of_wrong(m.step)) is not None}
    if len(factors) < 2 or 1 not in factors or 2 not in factors or not factors[1]:
        return []
    first, ratio = factors[1], factors[2] / factors[1]
    if abs(ratio - 1) < decisions.SIMPLE_SHARE:
        return []
    roles = roles_of_wrong(failures)
    some = f"{roles[0].text} alone are wrong" if roles else SOME
    start = "" if first == 1 else f"step 1 moves {number(first)} times as far as it should, "
    fitted = int(first != 1)
    told = (
        f"{start}step 2 moves {number(first * ratio)} times as far as it should, step 3 {number(first * ratio**2)} "
        f"times, and so on: a factor of {number(ratio)} more with every step{_hooks(failures)}"
    )
    found = [
        *_moving(told, lambda t: first * ratio ** (t - 1), 1 + fitted, some),
        *_moving(f"{start}step t moves t times as far as step 1", lambda t: first * t, fitted, some),
        *_moving(f"{start}step t moves 1/t of the way that it should", lambda t: first / t, fitted, some),
    ]
    return found


def _hooks(failures: Sequence[Failure]) -> str:
    """Return that gradient hooks pile up, where every step was seen leaving more of them."""
    counts = {seen.hooks for failure in failures for _, seen in failure.moments if seen is not None}
    if not counts or min(counts) == 0:
        return ""
    return f"; every step registers gradient hooks that stay ({max(counts)} more on a parameter): they pile up"


def _moving(text: str, series: Series, constants: int, some: str) -> list[Hypothesis]:
    """Return "all parameters move so much farther", and the same of those alone that are wrong at any step."""

    def rival(moment: Moment) -> Weights:
        step, k = moment.step, series(moment.step.number)
        return [b + k * (e - b) for b, e in zip(step.before, step.expected, strict=True)]

    def partly(moment: Moment) -> Weights:
        step = moment.step
        return [r if step.wrong_at(i) else e for i, (r, e) in enumerate(zip(rival(moment), step.expected, strict=True))]

    return [
        Hypothesis(text, rival, constants, broad=3, about_rest=True, dated=True),
        Hypothesis(f"{some}: {text}", partly, constants, "", broad=4, about_rest=True, dated=True),
    ]


def factor_of_wrong(step: Watched) -> float | None:
    """Return the one factor by which everything that is wrong moves, 1 where nothing is; None where there is none."""
    wrong = [i for i in range(len(step.names)) if step.wrong_at(i)]
    if not wrong:
        return 1.0
    moved, wanted = (
        np.concatenate([(w[i] - step.before[i]).ravel() for i in wrong]) for w in (step.after, step.expected)
    )
    length = float(wanted @ wanted)
    k = float(moved @ wanted) / length if length else 0.0
    rooms = (step.allowed[i] * (1 + abs(k)) for i in wrong)
    near = all(
        (np.abs(step.after[i] - step.before[i] - k * (step.expected[i] - step.before[i])) <= room).all()
        for i, room in zip(wrong, rooms, strict=True)
    )
    return k if near and np.count_nonzero(wanted) > 1 else None


def _other_rates(failures: Sequence[Failure]) -> list[Hypothesis]:
    """Return "moves by the rate of another step" than the one in force."""
    moments = {id(m.step): (failure.moments, k) for failure in failures for k, m in enumerate(failure.moments)}

    def rate_of(place: Callable[[int], int]) -> Callable[[Moment], Weights | None]:
        def rival(moment: Moment) -> Weights | None:
            all_of_them, k = moments.get(id(moment.step), ((moment,), 0))
            other = place(k)
            if not 0 <= other < len(all_of_them):
                return None
            return _at_the_rates_of(moment.step, all_of_them[other].step)

        return rival

    return [
        Hypothesis(
            "every step moves by the rate of the first one: the rate is read once, and what a scheduler makes of it "
            "later has no effect",
            rate_of(lambda k: 0),
            about_rest=True,
            dated=True,
            threads=True,
        ),
        Hypothesis(
            "every step moves by the rate of the step before it (the scheduler acts one step late)",
            rate_of(lambda k: max(k - 1, 0)),
            about_rest=True,
            dated=True,
            threads=True,
        ),
        Hypothesis(
            "what a scheduler makes of the rate acts twice: every step moves by its rate times its share of the first",
            lambda moment: _by_share(moment, *moments.get(id(moment.step), ((moment,), 0))),
            about_rest=True,
            dated=True,
        ),
    ]


def _rates(step: Watched) -> list[float] | None:
    settings = settings_of(step)
    return None if not settings or any("lr" not in g for g in settings) else [float(g["lr"]) for g in settings]


def _at_the_rates_of(step: Watched, other: Watched) -> Weights | None:
    settings, rates = settings_of(step), _rates(other)
    if settings is None or rates is None or len(rates) != len(settings):
        return None
    changed: list[Any] = [{**copy.deepcopy(group), "lr": rate} for group, rate in zip(settings, rates, strict=True)]
    return step.run.update(step.before, step.gradients, step.state, changed)


def _by_share(moment: Moment, all_of_them: Sequence[Moment], k: int) -> Weights | None:
    now, first = _rates(moment.step), _rates(all_of_them[0].step)
    if not now or not first or len(set(now)) != 1 or len(set(first)) != 1 or not first[0]:
        return None
    share, step = now[0] / first[0], moment.step
    return [b + share * (e - b) for b, e in zip(step.before, step.expected, strict=True)]
