"""Choose the tests whose lines are counted: python tests/choose_counted.py, after a run that counted all of them.

    python -m pytest -n auto --cov --cov-context=test --count-all
    python tests/choose_counted.py

Tests without a recorded duration are short, and always counted. Of the others, those are chosen that take the most new
branches for their time, until nearly all that any test takes are taken. Prints figures and writes `counted.json`.
"""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

TESTS = Path(__file__).parent
COVERAGE = TESTS.parent / ".coverage"
COUNTED, DURATIONS = TESTS / "counted.json", TESTS / "durations.json"
SHARE = 0.995
"""Which share of the branches is enough: the last ones take as long as all others."""


def taken(data: Path) -> dict[str, set[int]]:
    """Return the branches that each test takes, by its node id; those of importing under an empty name."""
    found = defaultdict[str, set[int]](set)
    branches: dict[tuple[int, int, int], int] = {}
    with closing(sqlite3.connect(data)) as database:
        contexts = dict(database.execute("select id, context from context"))
        for file, context, *branch in database.execute("select file_id, context_id, fromno, tono from arc"):
            name = contexts[context].partition("|")[0].partition("@")[0]
            found[name].add(branches.setdefault((file, *branch), len(branches)))
    return dict(found)


def chosen(by_test: Mapping[str, set[int]], seconds: Mapping[str, float], share: float = SHARE) -> list[str]:
    """Return the recorded tests to count, the most telling first."""
    every = set[int]().union(*by_test.values())
    have = set[int]().union(*(branches for name, branches in by_test.items() if name not in seconds))
    left, found = {name for name in by_test if name in seconds}, list[str]()
    while left and len(have) < share * len(every):
        best = max(left, key=lambda name: (len(by_test[name] - have) / seconds[name], name))
        have |= by_test[best]
        left.remove(best)
        found.append(best)
    return found


if __name__ == "__main__":
    seconds = json.loads(DURATIONS.read_text(encoding="utf-8"))
    by_test = taken(COVERAGE)
    counted = chosen(by_test, seconds)
    COUNTED.write_text(json.dumps(sorted(counted), indent=0) + "\n", encoding="utf-8")
    spent = sum(seconds[name] for name in counted)
    print(f"{len(counted)} of {sum(name in seconds for name in by_test)} recorded tests are counted: {spent:.0f} s")
