"""A share of a run, for a matrix of machines: every item falls into exactly one of the shards."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeVar

from gdprops.errors import UsageError

Item = TypeVar("Item")


def numbers(shard: str) -> tuple[int, int]:
    """Return which shard of how many ``"2/3"`` is. Raises `UsageError` for anything else."""
    found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", shard)
    which, of = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1 <= which <= of:
        raise UsageError(f"shard={shard!r}; expected i/n with 1 <= i <= n, for instance 1/3")
    return which, of


def share(items: Sequence[Item], shard: str | None) -> tuple[Item, ...]:
    """Return the items of a shard: every n-th one, so that long and short ones are mixed; None is all of them."""
    if shard is None:
        return tuple(items)
    which, of = numbers(shard)
    return tuple(items[which - 1 :: of])
