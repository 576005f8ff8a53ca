"""What is slow runs at night, and nothing is recorded of tests that are gone."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from coverage import CoverageData

from tests.choose_counted import chosen, taken
from tests.conftest import COUNTED, DURATIONS, SLOW, by_day_up_to

DAILY = "not nightly"


def test_by_day_no_slow_test_runs_that_is_neither_counted_nor_marked(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("markexpr") != DAILY:
        pytest.skip("other tests than those of every day were asked for")
    recorded, counted = (json.loads(file.read_text(encoding="utf-8")) for file in (DURATIONS, COUNTED))
    slow = {name for name, seconds in recorded.items() if seconds > SLOW} - set(counted)
    running = {item.nodeid.partition("@")[0]: item for item in request.session.items}
    assert [name for name in sorted(slow & set(running)) if recorded[name] > by_day_up_to(running[name])] == []


def test_no_name_of_a_test_contains_an_address(request: pytest.FixtureRequest) -> None:
    """Each process would collect another test: several of them then run none at all."""
    assert [item.nodeid for item in request.session.items if re.search(r"\b0x[0-9a-f]{8}", item.nodeid)] == []


def test_what_is_recorded_is_about_files_that_exist() -> None:
    recorded = json.loads(DURATIONS.read_text(encoding="utf-8"))
    root = Path(DURATIONS).parents[1]
    assert [name for name in recorded if not (root / name.partition("::")[0]).exists()] == []


def test_what_is_counted_is_recorded() -> None:
    recorded, counted = (json.loads(file.read_text(encoding="utf-8")) for file in (DURATIONS, COUNTED))
    assert [name for name in counted if name not in recorded] == []


def test_tests_are_counted_that_take_the_most_new_branches_for_their_time() -> None:
    by_test = {"": {0}, "short": {1}, "slow": {2, 3, 4, 5}, "quick": {2, 3, 4}, "same": {1, 2}, "rest": {6}}
    seconds = {"slow": 4.0, "quick": 1.0, "same": 1.0, "rest": 1.0}
    assert chosen(by_test, seconds, 5 / 7) == ["quick"]
    assert chosen(by_test, seconds, 1.0) == ["quick", "rest", "slow"]


def test_the_branches_of_a_test_are_read_from_a_run_that_counted_all(tmp_path: Path) -> None:
    data = CoverageData(basename=str(tmp_path / "data"))
    for context, lines in (
        ("", {(1, 2)}),
        ("tests/a.py::test_it|run", {(2, 3)}),
        ("tests/a.py::test_it|setup", {(3, 4)}),
    ):
        data.set_context(context)
        data.add_arcs({"one.py": lines})
    data.close()
    assert {name: len(branches) for name, branches in taken(tmp_path / "data").items()} == {
        "": 1,
        "tests/a.py::test_it": 2,
    }


@pytest.mark.daily
def test_tests_of_a_group_run_in_one_process(pytester: pytest.Pytester) -> None:
    """Versions of pytest and pytest-xdist that do not know each other send them anywhere, and nothing is shared."""
    pytester.makepyfile(
        """
        import os
        from pathlib import Path
        import pytest

        @pytest.mark.parametrize("name", [pytest.param(k, marks=pytest.mark.xdist_group("one")) for k in "abcdef"])
        def test_it(name):
            Path(name).write_text(os.environ["PYTEST_XDIST_WORKER"])
        """
    )
    pytester.runpytest_subprocess("-p", "no:gdprops", "-n", "2", "--dist=loadgroup").assert_outcomes(passed=6)
    assert len({(pytester.path / name).read_text() for name in "abcdef"}) == 1
