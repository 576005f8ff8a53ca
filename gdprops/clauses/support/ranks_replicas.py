"""What several ranks hold of one parameter, compared byte by byte."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from gdprops.numerics.comparison import same_bytes
from gdprops.subjects.distributed_step.observed import ON_RANK

if TYPE_CHECKING:
    from gdprops.model.evidence import Evidence
    from gdprops.subjects.distributed_step.observed import Step, Story
    from gdprops.subjects.distributed_step.ranks.messages import Piece


def first_difference(story: Story) -> Evidence | None:
    """Return the first difference between two ranks, None where replicas are the same after every step."""
    for step in story.steps:
        blamed = [name for name in step.names if step.whole(name) is None]
        for name in blamed:
            held = step.pieces(name)
            for (a, one), (b, other) in combinations(held.items(), 2):
                mine, theirs = _shared(one, other), _shared(other, one)
                if mine.size and mine.tobytes() != theirs.tobytes():
                    what = f"rank {b} holds other numbers than rank {a}"
                    return same_bytes([theirs], [mine], names=[f"{name}{ON_RANK}{b}"], what=what, step=step.number)
    return None


def _shared(one: Piece, other: Piece) -> np.ndarray:
    """Return the entries of one rank's part that the other rank has too."""
    inside = []
    for mine, theirs in zip(one.slices, other.slices, strict=True):
        start, stop = max(mine.start, theirs.start), min(mine.stop, theirs.stop)
        inside.append(slice(start - mine.start, max(stop, start) - mine.start))
    return one.values[tuple(inside)]


def are_there(story: Story) -> bool:
    """Say whether any entry of a parameter is held by two ranks."""
    return any(
        _shared(one, other).size
        for step in story.steps[:1]
        for name in step.names
        for one, other in combinations(step.pieces(name).values(), 2)
    )


def ranks_have_other_gradients(step: Step) -> bool:
    """Say whether the gradients of any two ranks' own rows differ; with the same rows, whether a replica moves."""
    if not step.case.has_parts:
        moved = zip(step.names, step.before, step.expected, strict=True)
        return any(len(step.pieces(name)) > 1 and not np.array_equal(b, e) for name, b, e in moved)
    each = [step.own_gradients(rank) for rank in range(step.case.world) if step.case.parts[step.case.part_of(rank)]]
    return any(
        a is not None and b is not None and not np.array_equal(a, b)
        for other in each[1:]
        for a, b in zip(each[0], other, strict=True)
    )
