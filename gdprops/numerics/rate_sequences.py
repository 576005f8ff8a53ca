"""Two sequences of learning rates: those in force at each update, and those of a schedule.

A sequence has a tuple for each update: the rates of all parameter groups, and momenta that a schedule cycles. Where
both differ, `what_happens` says in which way: ``seen = plan[k t]`` is a schedule that advances k times per update.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import isfinite
from typing import Any

from gdprops.numerics.decisions import CLOCK_SHARE, MOST_ADVANCES

Rates = tuple[float, ...]
Settings = Sequence[Mapping[str, Any]]
"""The hyperparameters of each parameter group."""
CYCLED = ("momentum", "betas")
"""What schedules change beside rates."""


def numbers_of(groups: Settings) -> Rates:
    """Return the rates of all groups, then their momenta."""
    held = [group.get(key, ()) for group in groups for key in CYCLED]
    momenta = [one for value in held for one in (value if isinstance(value, tuple | list) else (value,))]
    return tuple(float(one) for one in (*(group["lr"] for group in groups), *momenta))


def compared(plan: Sequence[Rates], seen: Sequence[Settings]) -> tuple[list[Rates], list[Rates]]:
    """Return the numbers of a schedule and those in force that are to be equal: rates, and momenta that it changes."""
    places = [k for k, first in enumerate(plan[0]) if k < len(seen[0]) or any(p[k] != first for p in plan)]
    in_force = [numbers_of(groups) for groups in seen]
    return [tuple(p[k] for k in places) for p in plan], [tuple(rates[k] for k in places) for rates in in_force]


def peak(plan: Sequence[Rates]) -> float:
    """Return the largest number of a schedule."""
    return max((abs(rate) for rates in plan for rate in rates if isfinite(rate)), default=0.0)


def agree(seen: Rates, planned: Rates, top: float, share: float | None = None) -> bool:
    """Say whether the rates of an update are the schedule's, within a share of the schedule's peak."""
    if len(seen) != len(planned):
        return False
    room = (CLOCK_SHARE if share is None else share) * top
    return all(a == b or abs(a - b) <= room for a, b in zip(seen, planned, strict=True))


def first_difference(seen: Sequence[Rates], plan: Sequence[Rates], share: float | None = None) -> int | None:
    """Return the first update, counted from 0, at which the rates in force are not the schedule's; None if all are."""
    top = peak(plan)
    return next((t for t, rates in enumerate(seen) if not agree(rates, plan[t], top, share)), None)


def wrong_places(seen: Sequence[Rates], plan: Sequence[Rates], share: float | None = None) -> list[int]:
    """Return the numbers of an update, counted from 0, that are not the schedule's at some update."""
    top, count = peak(plan), min((len(rates) for rates in seen), default=0)
    return [
        k
        for k in range(count)
        if any(not agree(a[k:][:1], b[k:][:1], top, share) for a, b in zip(seen, plan, strict=False))
    ]


def at_places(sequence: Sequence[Rates], places: Sequence[int]) -> list[Rates]:
    """Return a sequence with some of each update's numbers only."""
    return [tuple(rates[k] for k in places) for rates in sequence]


def changes(plan: Sequence[Rates]) -> bool:
    """Say whether any number of a sequence changes."""
    return any(rates != plan[0] for rates in plan)


def what_happens(seen: Sequence[Rates], plan: Sequence[Rates], share: float | None = None, *, per: int = 1) -> str:
    """Return in which way the rates in force differ from the schedule's; an empty text where no way is known.

    ``plan`` is as much longer than ``seen`` as ways need, or they are not tried; it advances once in ``per`` updates.
    """
    for told, where in _ways(len(seen), per):
        places = [where(t) for t in range(len(seen))]
        if max(places) < len(plan) and first_difference(seen, [plan[k] for k in places], share) is None:
            return told if changes(seen) else "the rate never changes"
    if not changes(seen):
        return "the rate never changes" if changes(plan[: len(seen)]) else ""
    if changes(seen[1:]) and first_difference(seen[1:], plan, share) is None:
        return LATE_AFTER_ITS_OWN
    return _stuck(seen, first_difference(seen, plan, share))


def _stuck(seen: Sequence[Rates], first: int | None) -> str:
    """Return from which update on the rate stays, where it does so from just before the first wrong one to the end."""
    stays = first and len(seen) - first >= FEWEST_STUCK and not changes(seen[first - 1 :])
    return f"from update {first} on the rate does not change any more" if stays else ""


def is_shifted(seen: Sequence[Rates], plan: Sequence[Rates], share: float | None = None) -> bool:
    """Say whether the rates in force are the schedule's, one update early or late."""
    return changes(seen) and what_happens(seen, plan, share) in (EARLY, LATE, LATE_AFTER_ITS_OWN)


EARLY = "they are the schedule's one update early: the scheduler steps before the optimizer, or its clock begins at 1"
LATE = "they are the schedule's one update late"
LATE_AFTER_ITS_OWN = f"{LATE}, after a first rate that is none of its own"
FEWEST_STUCK = 2
"""How many updates at the end of a run must stay at one rate, where the schedule's change, to say that it is stuck."""


def _ways(count: int, per: int) -> Iterator[tuple[str, Callable[[int], int]]]:
    """Yield sentences, and which advance of the schedule each update would then be at."""
    yield EARLY, lambda t: t + 1
    yield LATE, lambda t: max(t - 1, 0)
    for k in range(2, MOST_ADVANCES + 1):
        yield _faster(k, per), lambda t, k=k: k * t  # type: ignore[misc] # the k of now
        yield _slower(k, per), lambda t, k=k: t // k  # type: ignore[misc] # likewise
    for k in range(2, count + 1):
        yield f"they are the schedule's {k} updates early", lambda t, k=k: t + k  # type: ignore[misc] # likewise


def _faster(k: int, per: int) -> str:
    """Return that a schedule which should advance once in ``per`` updates advances k times as often."""
    if k % per:
        return f"the schedule advances {k} times as often as once in {per} updates"
    often = "with every update" if k == per else f"{k // per} times per update"
    return f"the schedule advances {often}" + (f", and not once in {per}" if per > 1 else "")


def _slower(k: int, per: int) -> str:
    """Return that a schedule which should advance once in ``per`` updates advances only at every k-th such time."""
    return f"the schedule advances at every {k * per} updates" + (f", and not once in {per}" if per > 1 else "")
