"""Steps that go on with next to no rate, with lost updates, from an average, or where windows are not complete."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from gdprops.model.ledger import EpochBegins, Event, Holding, Parameter, StepBegins, StepEnds
from tests.clauses.live.ledgers import all_said, falling, line, look, run, said, step, usual

LOW = [1.0, *[1e-3] * 5]
VANISHED = (
    "the scheduler that steps at train.py:14 after each update has brought the rate from 1 to 0.001 before step 2 at "
    "train.py:12: one that counts epochs steps once per epoch"
)


def test_a_rate_that_has_vanished_within_an_epoch_is_told() -> None:
    assert said("schedule", falling(*LOW)) == [VANISHED]


@pytest.mark.parametrize(
    "facts",
    [
        {"ticks": False},
        {"inputs": [7] * 6},
        {"extra": [EpochBegins(1)]},
    ],
    ids=["by nobody who steps with each update", "on one batch", "with an epoch for each step"],
)
def test_a_rate_that_falls_as_it_should_is_not_told(facts: dict[str, Any]) -> None:
    assert said("schedule", falling(*LOW, **facts)) == []


def test_a_rate_that_falls_at_the_end_or_rises_again_is_not_told() -> None:
    assert said("schedule", falling(1.0, 1.0, *[1e-3] * 3)) == []
    assert said("schedule", falling(*LOW, 1.0)) == []
    assert said("schedule", falling(1e-3, *LOW[1:])) == []


def lost(rates: Sequence[float], moves: bool = False) -> list[str]:
    """Return what is said of steps that move 2, and lose what they add to 1 in rounding."""
    events: list[Event] = []
    for k, rate in enumerate(rates):
        now, then = {1: 0, 2: k}, {1: int(moves and k == len(rates) - 1), 2: k + 1}
        begins, ends = step(k + 1, now, then, rates={1: rate, 2: rate})
        assert isinstance(ends, StepEnds)
        events += [*look(k + 1, now), begins, replace(ends, lost=frozenset({1}) - ends.moved)]
    return said("moves", run(events))


def test_updates_that_rounding_loses_are_told() -> None:
    assert lost([1e-5] * 4) == [
        "no step of SGD at train.py:12 moves a, weights of two bytes: at a rate of 1e-05 each update is less than a "
        "rounding of them, and lost (4 steps were watched)"
    ]
    assert lost([1e-5] * 3) == lost([1e-5] * 4, moves=True) == lost([1e-6, 2e-6, 3e-6, 4e-6]) == []


def test_a_step_from_an_average_is_told_with_the_step_before() -> None:
    parts = list(usual(3))
    begins, ends = parts[5]
    assert isinstance(begins, StepBegins)
    parts[5] = [replace(begins, averaged=True, place=line(15)), ends]
    assert said("frozen-weights", run(*parts)) == [
        "between the step at train.py:12 and the next one at train.py:15 somebody has put an average of the weights "
        "after earlier steps in their place, and the training goes on from there: weights that are averaged for an "
        "evaluation alone are put back after it"
    ]


def windows(lengths: Sequence[int], weight: float, *, clears: bool = False) -> list[str]:
    parts, call = list[list[Event]](), 0
    for k, length in enumerate(lengths):
        for index in range(length):
            call += 1
            had = dict.fromkeys((1, 2), Holding.KEPT) if index and not clears else {}
            parts.append(look(call, {1: 10 * k, 2: 10 * k + 1}, weight=weight, had=had))
        parts.append(step(k + 1, {1: 10 * k, 2: 10 * k + 1}, {1: 10 * k + 10, 2: 10 * k + 11}))
    return said("window", run(*parts))


def test_a_condition_that_is_the_wrong_way_round_is_told() -> None:
    assert windows([2, 1, 1, 2, 1, 1], 0.25) == [
        "losses at train.py:11 are divided by 4, and of every 4 backward passes 3 are stepped at train.py:12, the "
        "first of these with two: the condition of the step is the wrong way round"
    ]


@pytest.mark.parametrize(
    ("lengths", "weight"),
    [([2, 1, 1, 2, 1, 1], 0.5), ([2, 1, 1, 2, 1], 0.25), ([2, 1, 2, 1], 1 / 3), ([3, 1, 3, 1], 0.25), ([1] * 8, 0.25)],
)
def test_other_uneven_windows_are_not_told(lengths: list[int], weight: float) -> None:
    assert windows(lengths, weight) == []


def test_windows_that_are_cleared_twice_are_a_habit_where_several_passes_are_lost() -> None:
    assert windows([3, 3], 1.0, clears=True) == [
        "of 3 backward passes at train.py:11 before each step at train.py:12, only the last is used: the others are "
        "cleared at an unseen line first"
    ]
    assert windows([2, 2], 1.0, clears=True) == windows([3], 1.0, clears=True) == []


def test_what_is_frozen_in_name_alone_is_told_where_it_is_trained() -> None:
    facts = {"parameters": {1: Parameter("a", 1, meant_frozen=True), 2: Parameter("b", 1)}}
    assert said("complete", run(*usual(), **facts)) == [
        "the step at train.py:12 trains a, of whose module requires_grad = False was said: that is an attribute of the "
        "module and freezes nothing, but requires_grad_(False) does"
    ]
    still = [*look(1, {1: 0, 2: 1}), *step(1, {1: 0, 2: 1}, {1: 0, 2: 2})]
    assert said("complete", run(still, **facts)) == []


def test_a_step_that_has_raised_used_nothing() -> None:
    parts = list(usual(3))
    begins, _ = step(2, {1: 10, 2: 11}, {1: 20, 2: 21}, at=15)
    raised = [*look(9, {1: 10, 2: 11}, had=dict.fromkeys((1, 2), Holding.KEPT), scaled=True), begins]
    assert all_said(run(*parts[:2], raised, *parts[2:])) == []
