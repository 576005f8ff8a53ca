"""Split a run into shards, for several CI machines: every item belongs to exactly one shard."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeVar

from gdprops.errors import UsageError

Item = TypeVar("Item")


def numbers(shard: str) -> tuple[int, int]:
    """Return the numbers of a shard: (2, 3) for ``"2/3"``. Raises `UsageError` for any other form."""
    found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", shard)
    which, of = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1 <= which <= of:
        raise UsageError(f"shard={shard!r}; expected i/n with 1 <= i <= n, for instance 1/3")
    return which, of


def share(items: Sequence[Item], shard: str | None) -> tuple[Item, ...]:
    """Return the items of a shard i/n: every n-th item, so that slow and fast ones are mixed. None returns all."""
    if shard is None:
        return tuple(items)
    which, of = numbers(shard)
    return tuple(items[which - 1 :: of])
