"""Looks at displaced weights within one window: where they do not come back, and where both looks are added up.

SAM looks at w, moves to w + e, looks there, goes back to w and steps with the second gradient alone. Read from the
ledger: two backward calls on one batch, whose forward passes read different contents of a parameter although no step
has moved it in between.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from gdprops.clauses.support.provenance import Call, Step, Story

FEWEST = 2
"""A displacement at one step alone may be a model that was loaded again."""


class Displaced(NamedTuple):
    """A step, the parameters that were moved between two looks of its window, and both looks."""

    step: Step
    parameters: tuple[int, ...]
    first: Call
    second: Call


def not_undone(read: Story, optimizer: int) -> list[Displaced]:
    """Return the steps that start from the second look's weights, where no step uses the first look's gradient.

    Nothing is returned where that is so at less than half of an optimizer's steps, or at one.
    """
    steps = read.steps_of(optimizer)
    found = [
        one for before, step in zip([None, *steps], steps, strict=False) if (one := _not_undone(read, before, step))
    ]
    return found if len(found) >= FEWEST and 2 * len(found) >= len(steps) else []


def _not_undone(read: Story, before: Step | None, step: Step) -> Displaced | None:
    since = -1 if before is None else before.at
    window = step.window
    if step.inside or not window:
        return None
    second = window[-1]
    for first in read.calls:
        if not since < first.at < second.at or not _is_lost(first):
            continue
        moved = _moved_between(read, first, second, _used_alone(step, (second,)))
        stays = [p for p in moved if _look(second).get(p) == step.event.weights[p]]
        if stays:
            return Displaced(step, tuple(stays), first, second)
    return None


def added_up(read: Story, step: Step) -> Displaced | None:
    """Return a step that adds up two looks with full weight, one at the weights that it starts from and one elsewhere.

    Looks that are averaged, and several displaced ones, may be meant.
    """
    if step.inside or len(step.window) != 2:
        return None
    first, second = step.window
    if first.event.weight != second.event.weight or first.event.weight < 1:
        return None
    moved = _moved_between(read, first, second, _used_alone(step, (first, second)))
    found = [p for p in moved if step.event.weights[p] in (_look(first)[p], _look(second).get(p))]
    return Displaced(step, tuple(found), first, second) if found else None


def _is_lost(call: Call) -> bool:
    is_for_itself = call.event.elsewhere or call.event.creates_graph
    return not call.used and not is_for_itself and bool(call.deposits) and set(call.dropped) == call.deposits


def _used_alone(step: Step, calls: tuple[Call, ...]) -> list[int]:
    """Return the parameters for which a step uses the deposits of these calls and nothing else."""
    uses = ((p, use) for p, use in step.uses.items() if use.own and not use.edited and not use.rest)
    return sorted(p for p, use in uses if use.calls == calls and p in step.event.weights)


def _look(call: Call) -> dict[int, int]:
    return {} if call.forward is None else dict(call.forward.reads)


def _moved_between(read: Story, first: Call, second: Call, among: Iterable[int]) -> list[int]:
    """Return the parameters that somebody moved between two looks on the same inputs, outside any step or pass."""
    one, other = first.forward, second.forward
    if one is None or other is None or one.module != other.module or not one.inputs or one.inputs != other.inputs:
        return []
    between = (step.ends for step in read.steps if first.at < step.at < second.at and step.ends is not None)
    stepped = frozenset[int]().union(*(ends.moved for ends in between))
    return [
        p for p in among if p in one.reads and p in other.found and other.found[p] != one.reads[p] and p not in stepped
    ]
