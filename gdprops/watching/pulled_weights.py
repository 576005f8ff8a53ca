"""Weights that somebody pulls towards those of another module of the same kind, as the update of a target network does.

A write between two steps says nothing by itself: weights are clamped, normalized, averaged. Where every entry went the
same share of the way to the entry of another module that runs too, it is known what was done.
"""

from __future__ import annotations

import weakref
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, final

import torch

from gdprops.model.ledger import Pulled
from gdprops.numerics.decisions import SAME_CONTENT_ROUNDINGS
from gdprops.subjects.user_code.running_line import variable_of
from gdprops.watching.contents import compared_entries
from gdprops.watching.living_objects import objects_of

if TYPE_CHECKING:
    from torch import Tensor, nn

SEARCHED_AT = 2
"""At a module's write of this number the process is searched for modules of its kind."""
MOST = 8
"""So many writes of a module are looked at."""

Move = tuple["Tensor", "Tensor"]
"""What compared entries of a weight were before it was written to, and what they are."""


@final
class PulledWeights:
    """Remembers how often each module was written to, and the modules of its kind."""

    def __init__(self, entries: int) -> None:
        self._entries = entries
        self._writes: dict[int, int] = {}
        self._others: dict[int, list[weakref.ref[nn.Module]]] = {}
        self._were: dict[tuple[int, int], list[Tensor]] = {}

    def look(
        self, number: int, name: str, module: nn.Module, moves: Mapping[str, Move], ran: Collection[int]
    ) -> list[Pulled]:
        """Return towards which modules a write has pulled a module. ``moves`` are its changed weights by name."""
        self._writes[number] = self._writes.get(number, 0) + 1
        if self._writes[number] == SEARCHED_AT:
            found = objects_of(type(module))
            self._others[number] = [weakref.ref(one) for one in found if id(one) in ran and _is_like(one, module)]
        if not SEARCHED_AT <= self._writes[number] < SEARCHED_AT + MOST:
            return []
        living = [other for reference in self._others[number] if (other := reference()) is not None]
        pulls = (self._pull(number, name, other, moves) for other in living)
        return [pull for pull in pulls if pull is not None]

    def _pull(self, number: int, name: str, other: nn.Module, moves: Mapping[str, Move]) -> Pulled | None:
        weights = dict(other.named_parameters())
        rows = [compared_entries(weights[name], self._entries) for name in moves]
        there = [row.clone() for row in rows if row is not None]
        if len(there) < len(moves):
            return None
        share = share_of_the_way(list(moves.values()), there)
        if share is None:
            return None
        before = self._were.get((number, id(other)))
        self._were[number, id(other)] = there
        still = before is not None and len(before) == len(there) and all(map(torch.equal, before, there))
        return Pulled(number, name, variable_of(other) or type(other).__name__, share, still)


def _is_like(one: Any, module: nn.Module) -> bool:
    """Say whether a module has weights of its own of the same names and shapes as another one."""
    if one is module or type(one) is not type(module):
        return False
    shapes = [{name: p.shape for name, p in each.named_parameters()} for each in (one, module)]
    return shapes[0] == shapes[1] and not set(map(id, one.parameters())) & set(map(id, module.parameters()))


def share_of_the_way(moves: list[Move], there: list[Tensor]) -> float | None:
    """Return the share above 0, at most 1, of the way to ``there`` that all moves went; None where they did not."""
    if any(len({row.dtype for row in (*move, other)}) > 1 for move, other in zip(moves, there, strict=True)):
        return None
    before, after = (torch.cat([move[k] for move in moves]).double() for k in (0, 1))
    way = torch.cat(there).double() - before
    squared = float(way @ way)
    share = float((after - before) @ way) / squared if squared else 0.0
    off = float((after - before - share * way).abs().max())
    eps = max(torch.finfo(row.dtype).eps for row in there)
    rounding = SAME_CONTENT_ROUNDINGS * eps * float(torch.maximum(before.abs().max(), after.abs().max()))
    return share if rounding < share <= 1 + rounding and off <= rounding and float(way.abs().max()) > rounding else None
