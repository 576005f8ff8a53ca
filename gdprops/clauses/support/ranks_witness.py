"""The buffers that ranks find when a forward pass begins, and the random numbers that they draw in it."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from gdprops.model.evidence import Evidence, agreement, vacuous, violation

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gdprops.model.arrays import Array
    from gdprops.subjects.distributed_step.observed import Step, Story


def same_buffers(story: Story) -> Evidence:
    """Return whether all ranks find the same buffers when a step after the first one begins.

    Decisive if the buffers have changed since the beginning: with other rows, each rank's own update is another one.
    """
    first, *later = story.steps or (None,)
    moved = False
    for step in later:
        met = {rank: seen.met for rank, seen in step.seen.items() if seen.met}
        for (a, one), (b, other) in combinations(sorted(met.items()), 2):
            name = next((name for name in one if name in other and not _same(one[name], other[name])), None)
            if name is not None:
                told = (
                    f"when the forward pass of step {step.number} begins, rank {b} holds another {name} than rank {a}"
                )
                return violation(told, blame=(name,))
        moved = moved or any(map(_has_moved, *_met_by_all(first, step)))
    return agreement() if moved else vacuous("no buffer has changed when a later forward pass begins")


def _met_by_all(first: Step | None, step: Step) -> Iterator[list[Mapping[str, Array]]]:
    for one in (first, step):
        yield [] if one is None else [seen.met or {} for seen in one.seen.values()]


def _has_moved(before: Mapping[str, Array], now: Mapping[str, Array]) -> bool:
    return any(name in now and not _same(held, now[name]) for name, held in before.items())


def _same(one: Array, other: Array) -> bool:
    return one.shape == other.shape and one.tobytes() == other.tobytes()


def other_random_numbers(story: Story) -> Evidence:
    """Return whether any two ranks with other rows draw other masks in each forward pass, and those with the same none.

    The witness stands before the first layer, where ranks with the same rows hold the same numbers.
    """
    drawn, part_of = False, story.case.part_of
    for step in story.steps:
        masks = {rank: seen.masks for rank, seen in sorted(step.seen.items())}
        for (a, one), (b, other) in combinations(masks.items(), 2):
            for mine, theirs in zip(one, other, strict=False):
                if mine.all() and theirs.all():
                    continue  # in evaluation mode nothing is dropped
                drawn, have_one_part = True, part_of(a) == part_of(b)
                if np.array_equal(mine, theirs) != have_one_part:
                    which = "other masks" if have_one_part else "the same mask"
                    why = ", though they have the same rows" if have_one_part else ""
                    told = f"ranks {a} and {b} draw {which} of a dropout in step {step.number}{why}"
                    return violation(told, blame=(f"the random numbers of rank {b}",))
    return agreement() if drawn else vacuous("no random numbers are drawn on several ranks")
