"""Shards: together the whole, each item once."""

from __future__ import annotations

import pytest

from gdprops.errors import UsageError
from gdprops.runner.settings import chosen
from gdprops.runner.shards import share


@pytest.mark.parametrize("of", [1, 2, 3, 7, 30])
def test_the_shards_are_the_whole_and_about_equal(of: int) -> None:
    items = list(range(20))
    shares = [share(items, f"{which}/{of}") for which in range(1, of + 1)]
    assert sorted(item for part in shares for item in part) == items
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    assert share(items, None) == tuple(items)


@pytest.mark.parametrize("shard", ["0/3", "4/3", "1", "1/0", "-1/3", "1/3/5", "a/b", "1/ 3", ""])
def test_what_is_no_shard_is_refused(shard: str) -> None:
    with pytest.raises(UsageError, match=r"^shard='.*'; expected i/n with 1 <= i <= n, for instance 1/3$"):
        chosen(shard=shard)
