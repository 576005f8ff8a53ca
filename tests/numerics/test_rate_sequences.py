"""Rates in force beside those of a schedule: where they differ, and in which way."""

from __future__ import annotations

import pytest

from gdprops.numerics.rate_sequences import (
    EARLY,
    LATE,
    LATE_AFTER_ITS_OWN,
    Rates,
    first_difference,
    is_shifted,
    what_happens,
    wrong_places,
)

PLAN: list[Rates] = [(0.5**t,) for t in range(40)]


def at(*places: int) -> list[Rates]:
    return [PLAN[k] for k in places]


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (at(1, 2, 3, 4), EARLY),
        (at(0, 0, 1, 2), LATE),
        (at(0, 4, 8, 12), "the schedule advances 4 times per update"),
        (at(0, 0, 0, 1, 1, 1, 2), "the schedule advances at every 3 updates"),
        (at(3, 4, 5, 6), "they are the schedule's 3 updates early"),
        (at(0, 0, 0, 0), "the rate never changes"),
        ([(0.3,)] * 4, "the rate never changes"),
        (at(9, 0, 1, 2), LATE_AFTER_ITS_OWN),
        (at(0, 1, 2, 2, 2), "from update 3 on the rate does not change any more"),
        (at(0, 1, 2, 2), ""),
        (at(0, 2, 3, 7), ""),
    ],
)
def test_what_happens_is_told(seen: list[Rates], said: str) -> None:
    assert what_happens(seen, PLAN) == said
    assert is_shifted(seen, PLAN) == (said in (EARLY, LATE, LATE_AFTER_ITS_OWN))


@pytest.mark.parametrize(
    ("seen", "per", "said"),
    [
        (at(0, 3, 6, 9), 3, "the schedule advances with every update, and not once in 3"),
        (at(0, 6, 12, 18), 3, "the schedule advances 2 times per update, and not once in 3"),
        (at(0, 2, 4, 6), 3, "the schedule advances 2 times as often as once in 3 updates"),
        (at(0, 0, 1, 1, 2), 3, "the schedule advances at every 6 updates, and not once in 3"),
    ],
)
def test_a_schedule_per_several_updates_is_told_by_updates(seen: list[Rates], per: int, said: str) -> None:
    """An entry of the plan is an update; the schedule itself advances once in ``per`` of them."""
    assert what_happens(seen, PLAN, per=per) == said


@pytest.mark.parametrize(("off", "first"), [(0.9e-12, None), (1.1e-12, 2)])
def test_rates_agree_within_a_share_of_the_peak(off: float, first: int | None) -> None:
    seen = [*PLAN[:2], (PLAN[2][0] + off,)]
    assert first_difference(seen, PLAN) == first


def test_every_group_counts_and_infinite_rates_are_alike_only_if_equal() -> None:
    assert first_difference([(1.0, 2.0), (1.0, 3.0)], [(1.0, 2.0), (1.0, 2.5)]) == 1
    assert first_difference([(float("inf"),)], [(float("inf"),)]) is None
    assert first_difference([(1.0,)], [(1.0, 2.0)]) == 0


def test_the_numbers_that_are_ever_wrong_are_told_by_their_place() -> None:
    plan: list[Rates] = [(1.0, 2.0, 0.9), (0.5, 1.0, 0.9), (0.25, 0.5, 0.9)]
    assert wrong_places(plan, plan) == []
    assert wrong_places([(1.0, 2.0, 0.9), (0.5, 2.0, 0.9), (0.25, 2.0, 0.8)], plan) == [1, 2]
