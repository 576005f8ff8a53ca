"""Weights that somebody has replaced by an average of what they were after earlier steps, as is done for an evaluation.

Where an optimizer's weights have changed between two of its steps, they are compared with all that it has left since
somebody else last wrote to them: an average lies between these, and on no line between two of them alone. Weights that
are put back, pulled part of the way (Lookahead, Reptile), clamped or loaded are told apart by that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, final

import torch

from gdprops.numerics.decisions import SAME_CONTENT_ROUNDINGS

if TYPE_CHECKING:
    from torch import Tensor

Entries = Callable[[Iterable[int]], Mapping[int, "Tensor"]]

TENSORS, ENTRIES = 8, 4096
"""Of so many parameters, the largest ones, about so many entries are kept after each step."""
FEWEST, MOST = 3, 24
"""An average is of so many contents at least; so many are kept."""
SPARE = 4
"""So many more entries than contents: else any weights are an average of them."""
ROUNDS = 100
"""After so many exchanges the search for the nearest average ends, and nothing is said."""
NOTHING = 1e-13
"""A share of the whole that is rounding."""


@final
@dataclass(slots=True)
class _Trajectory:
    """What one optimizer has left, step by step: the contents by number, and a row of some of their entries."""

    parameters: tuple[int, ...]
    last: tuple[int, ...] = ()
    rows: list[Tensor] = field(default_factory=list)


@final
class AveragedWeights:
    """Remembers what each optimizer has left since somebody else wrote to its weights."""

    def __init__(self) -> None:
        self._of: dict[int, _Trajectory] = {}

    def begins(self, optimizer: int, contents: Mapping[int, int], entries_of: Entries) -> bool:
        """Say whether the weights at a step's begin are an average of earlier ones that somebody has put there.

        ``contents`` are numbers of what each parameter contains, ``entries_of`` some of them are rows of it.
        """
        known = self._of.get(optimizer)
        if known is None:
            entries = entries_of(contents)
            largest = sorted(entries, key=lambda number: -entries[number].numel())[:TENSORS]
            known = self._of[optimizer] = _Trajectory(tuple(sorted(largest)))
        now = tuple(contents.get(number, -1) for number in known.parameters)
        if now == known.last:
            return False
        row = _row(list(entries_of(known.parameters).values()))
        found = row is not None and is_average(row, known.rows)
        if not found:
            known.rows.clear()
        self._keep(known, now, row)
        return found

    def ends(self, optimizer: int, contents: Mapping[int, int], entries_of: Entries) -> None:
        """Note what a step has left."""
        known = self._of.get(optimizer)
        if known is not None:
            now = tuple(contents.get(number, -1) for number in known.parameters)
            self._keep(known, now, _row(list(entries_of(known.parameters).values())))

    def _keep(self, known: _Trajectory, now: tuple[int, ...], row: Tensor | None) -> None:
        known.last = now
        if row is None:
            known.rows.clear()
        else:
            known.rows.append(row)
            del known.rows[:-MOST]


def _row(entries: Sequence[Tensor]) -> Tensor | None:
    """Return some of these entries in one row of doubles; None where they are of several kinds, or of low precision."""
    kinds = {(one.dtype, one.device) for one in entries}
    if len(kinds) != 1 or entries[0].dtype not in (torch.float32, torch.float64):
        return None
    return torch.cat([one[:: max(1, one.numel() * len(entries) // ENTRIES)] for one in entries])


def is_average(row: Tensor, earlier: Sequence[Tensor]) -> bool:
    """Say whether a row is an average of earlier rows, to rounding, and does not lie between two of them alone."""
    if not FEWEST <= len(earlier) <= row.numel() - SPARE or any(one.shape != row.shape for one in earlier):
        return False
    rounding = (SAME_CONTENT_ROUNDINGS + len(earlier)) * torch.finfo(row.dtype).eps * float(row.abs().max())
    points = torch.stack([one.double() - row.double() for one in earlier])
    if not bool(torch.isfinite(points).all()):
        return False
    if any(_distance(first, second) <= rounding for first, second in combinations(points, 2)):
        return False
    weights = nearest_average(points)
    return weights is not None and float((weights @ points).abs().max()) <= rounding


def _distance(first: Tensor, second: Tensor) -> float:
    """Return by how much 0 is off the line between two points, in its largest entry."""
    way = second - first
    squared = float(way @ way)
    share = min(1.0, max(0.0, -float(first @ way) / squared)) if squared else 0.0
    return float((first + share * way).abs().max())


def nearest_average(points: Tensor) -> Tensor | None:
    """Return the weights, none below 0 and 1 together, of the average of some points that is nearest to 0.

    Lawson and Hanson's active set: points join while one of them is on the other side of the average so far, and leave
    where their weight would fall below 0. None where that does not end.
    """
    gram = points @ points.T
    room = NOTHING * float(gram.diagonal().max())
    inside = [int(gram.diagonal().argmin())]
    weights = torch.zeros(len(points), dtype=points.dtype)
    weights[inside] = 1.0
    for _ in range(ROUNDS):
        slopes = gram @ weights
        best = int(slopes.argmin())
        if best in inside or float(slopes[best]) >= float(weights @ slopes) - room:
            return weights
        inside.append(best)
        while True:
            wanted = _on_the_plane(gram[inside][:, inside])
            if bool((wanted > 0).all()):
                break
            now = weights[inside]
            falling = wanted <= 0
            share = float((now[falling] / (now[falling] - wanted[falling])).clamp(min=0).min())
            moved = now + share * (wanted - now)
            kept = moved > NOTHING
            weights.zero_()
            inside = [one for one, stays in zip(inside, kept.tolist(), strict=True) if stays]
            if not inside:
                return None
            weights[inside] = moved[kept] / moved[kept].sum()
        weights.zero_()
        weights[inside] = wanted
    return None


def _on_the_plane(gram: Tensor) -> Tensor:
    """Return the weights, 1 together, of the point nearest to 0 on the plane through some points."""
    count, size = len(gram), float(gram.diagonal().max()) or 1.0
    bordered, right = torch.zeros(count + 1, count + 1, dtype=gram.dtype), torch.zeros(count + 1, 1, dtype=gram.dtype)
    bordered[:count, :count] = gram / size
    bordered[count, :count] = bordered[:count, count] = right[count] = 1.0
    found: Tensor = torch.linalg.lstsq(bordered, right, driver="gelsd").solution
    return found[:count, 0]
