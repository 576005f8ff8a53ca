"""What is slow runs at night, and nothing is recorded of tests that are gone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import DURATIONS, SLOW

DAILY = "not nightly"


def test_by_day_no_slow_test_runs_that_is_not_marked(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("markexpr") != DAILY:
        pytest.skip("other tests than those of every day were asked for")
    recorded = json.loads(DURATIONS.read_text(encoding="utf-8"))
    slow = {name for name, seconds in recorded.items() if seconds > SLOW}
    running = {item.nodeid.partition("@")[0]: item for item in request.session.items}
    assert [name for name in sorted(slow & set(running)) if running[name].get_closest_marker("daily") is None] == []


def test_what_is_recorded_is_about_files_that_exist() -> None:
    recorded = json.loads(DURATIONS.read_text(encoding="utf-8"))
    root = Path(DURATIONS).parents[1]
    assert [name for name in recorded if not (root / name.partition("::")[0]).exists()] == []
