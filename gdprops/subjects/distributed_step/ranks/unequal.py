"""Where ranks have issued different collectives: in each process group all must issue the same, in the same order.

What one rank sends another one must receive.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import NamedTuple

from gdprops.model.wording import plural
from gdprops.subjects.distributed_step.ranks.messages import Collective, Ran

ANY = -1
"""The rank from which something is received that did not say from which."""


class Unequal(NamedTuple):
    """A process group in which two ranks differ: how many collectives each has issued, or the first that differs."""

    group: str
    one: int
    other: int
    told: str


def are_unequal(ran: Sequence[Ran]) -> bool:
    """Say whether ranks that have all run to their ends have issued different collectives."""
    finished = all(one.raised is None for one in ran)
    return finished and (unequal_counts(ran) is not None or unequal_order(ran) is not None or bool(unmatched(ran)))


def unmatched(ran: Sequence[Ran]) -> str:
    """Return the first rank that has not received what another one has sent it, in words; empty where there is none.

    A receipt that names no sender is one from whoever has sent more.
    """
    for one in ran:
        for other in (other for other in ran if other is not one):
            sent, received = one.sent.get(other.rank, 0), other.received.get(one.rank, 0)
            unnamed = other.received.get(ANY, 0)
            if received > sent or sent > received + unnamed:
                times = plural(sent, "time")
                return f"rank {one.rank} sends to rank {other.rank} {times}, which receives from it {received}"
    return ""


def unequal_counts(ran: Sequence[Ran]) -> Unequal | None:
    """Return the first process group in which two ranks have issued different numbers of collectives."""
    for group in dict.fromkeys(group for one in ran for group in one.counts):
        held = [one for one in ran if group in one.counts]
        for other in held[1:]:
            if other.counts[group] != held[0].counts[group]:
                return Unequal(group, held[0].rank, other.rank, _told(held[0], other, group))
    return None


def _told(one: Ran, other: Ran, group: str) -> str:
    """Return how many collectives each rank issues, and the first of those that the other one does not."""
    more, less = sorted((one, other), key=lambda ran: ran.counts[group], reverse=True)
    counts = f"rank {more.rank} issues {more.counts[group]} collectives, rank {less.rank} {less.counts[group]}"
    mine = [c for c in more.collectives or () if c.group == group][-more.counts[group] :]
    theirs = [c for c in less.collectives or () if c.group == group][-less.counts[group] or len(mine) :]
    k = next((k for k, (a, b) in enumerate(zip(mine, theirs, strict=False)) if _form(a) != _form(b)), len(theirs))
    return f"{counts}: nothing answers {shown(mine[k])}" if k < len(mine) else counts


def unequal_order(ran: Sequence[Ran]) -> Unequal | None:
    """Return the first collectives, the newest that are known, that differ between two ranks of a group."""
    for group in dict.fromkeys(c.group for one in ran for c in one.collectives or ()):
        held = [(one.rank, [c for c in one.collectives or () if c.group == group]) for one in ran]
        (first, mine), *others = [(rank, issued) for rank, issued in held if issued]
        for rank, theirs in others:
            pairs = list(zip_longest(reversed(mine), reversed(theirs)))
            differing = [(a, b) for a, b in pairs if a is not None and b is not None and _form(a) != _form(b)]
            if differing:
                a, b = differing[-1]
                return Unequal(group, first, rank, f"rank {first} issues {shown(a)}, rank {rank} {shown(b)}")
    return None


def _form(one: Collective) -> tuple[str, int | None]:
    return one.op, one.numel


def shown(one: Collective) -> str:
    """Return a collective in words."""
    size = "" if one.numel is None else f" of {one.numel} numbers"
    return f"{one.op}{size}{f' at {one.place}' if one.place else ''}"
