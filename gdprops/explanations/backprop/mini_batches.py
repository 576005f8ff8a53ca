"""Updates over parts of the batch: row by row, mini-batches of every size, halves; or their gradients added up."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from gdprops.clauses.support.watched_step import Watched

BY_ROWS = "one update per row of the batch, each at the weights that the last one left"
MOST_ROWS = 8
"""No drawn batch has more rows."""
Parts = Callable[[int], "Sequence[slice]"]
"""Which rows belong together, of so many."""


def _chunks(size: int, *, ragged: bool = True) -> Parts:
    def parts(rows: int) -> list[slice]:
        starts = range(0, rows if ragged else rows - rows % size, size)
        return [slice(start, min(start + size, rows)) for start in starts]

    return parts


def _halves(rows: int) -> list[slice]:
    return [part for part in (slice(0, rows // 2), slice(rows // 2, rows)) if part.stop > part.start]


def _backwards(parts: Parts) -> Parts:
    return lambda rows: parts(rows)[::-1]


EACH = "each at the weights that the last one left: several steps, not one"


def _updates() -> Iterator[tuple[str, Parts]]:
    """Yield what is told of updates after every part, and the parts."""
    yield BY_ROWS, _chunks(1)
    yield f"{BY_ROWS}, the last row first", _backwards(_chunks(1))
    for size in range(2, MOST_ROWS):
        told = f"one update per mini-batch of {size} rows"
        yield f"{told}, {EACH}", _chunks(size)
        yield f"{told}, the last one first, {EACH}", _backwards(_chunks(size))
        yield f"{told}, {EACH}; the rows that are left over are not used", _chunks(size, ragged=False)
    yield f"one update per half of the batch, {EACH}", _halves


def _sums() -> Iterator[tuple[str, Parts]]:
    """Yield what is told of gradients that are added up, and of which parts they are."""
    for size in range(2, MOST_ROWS):
        told = f"the gradients of a mini-batch of {size} rows at a time are added up"
        yield f"{told}, and not divided by how many there are", _chunks(size)


def _whole(rows: int, part: int) -> float:
    return 1.0


def _share(rows: int, part: int) -> float:
    return part / rows


def _row(rows: int, part: int) -> float:
    return 1 / rows


def updates_by_parts(steps: Sequence[Watched]) -> str | None:
    """Return after which parts of the batch every wrong step moved, None where it did not."""
    return _first(steps, _updates(), moving=True)


def sums_of_parts(steps: Sequence[Watched]) -> str | None:
    """Return of which parts of the batch every wrong step added the gradients up, None where it did not."""
    return _first(steps, _sums(), moving=False)


def _first(steps: Sequence[Watched], offers: Iterator[tuple[str, Parts]], *, moving: bool) -> str | None:
    for text, parts in offers:
        for share in (_whole, _share, _row):
            ends = (_ends(step, parts, share, moving=moving) for step in steps)
            if _reproduces(steps, ends):
                return text
    return None


def _reproduces(steps: Sequence[Watched], ends: Iterator[list[Any]]) -> bool:
    """Say whether every step ended there, and one of them clearly not where it should."""
    clearly = False
    for step, end in zip(steps, ends, strict=True):
        if not step.is_at(end):
            return False
        clearly = clearly or step.equals(end)
    return clearly


def _ends(step: Watched, parts: Parts, share: Callable[[int, int], float], *, moving: bool) -> list[Any]:
    """Return the weights after all parts, each with its whole gradient or its share of a mean."""
    v, rows = list(step.before), step.run.rows(step.batch)
    total = [np.zeros_like(w) for w in v]
    for part in parts(rows):
        own = share(rows, len(range(rows)[part]))
        g = [own * np.asarray(x) for x in step.run.gradients(v, step.batch, rows=part)]
        if moving:
            v = step.run.update(v, [*g], step.state, step.settings)
        total = [a + b for a, b in zip(total, g, strict=True)]
    return v if moving else step.run.update(v, [*total], step.state, step.settings)
