"""The pytest plugin: its options, and the settings for every clause of `gdprops.parametrize`.

Every pytest run in an environment with gdprops loads this file. It therefore imports other modules only when they are
needed.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, final

import pytest

from gdprops.plugin.terminal_stream import TERMINAL

if TYPE_CHECKING:
    from gdprops.live_run import LiveRun

FORMS = {
    "json": "write the verdicts to a file",
    "junit": "write the verdicts as JUnit XML, one test suite per subject",
    "markdown": "write the verdicts as Markdown (a GitHub step summary always gets them)",
    "html": "write the verdicts as one page with pictures (needs gdprops[report])",
    "figures": "write the pictures alone into this folder (needs gdprops[report])",
    "sarif": "write the violations as SARIF 2.1.0, for code hosts and editors",
}


BUG = ("status", "error")
"""The property of a test in which gdprops itself failed."""


@final
class BugAlarm:
    """Ends a run in which gdprops itself failed with 3, as the command does: this is no fault of the subject."""

    def __init__(self) -> None:
        self._rang = False

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note the report of a test that checked a clause and met a bug of gdprops."""
        found = [tuple(pair) for pair in report.user_properties]
        self._rang |= BUG in found and any(name == "clause" for name, _ in found)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Replace "tests failed" by pytest's own number for an internal error, which is 3."""
        if self._rang and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            session.exitstatus = pytest.ExitCode.INTERNAL_ERROR


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option ``--gdprops`` and all options that begin with ``--gdprops-``."""
    group = parser.getgroup("gdprops", "the specification of gradient descent")
    group.addoption(
        "--gdprops", action="store_true", default=False, help="check the subjects of [tool.gdprops] in pyproject.toml"
    )
    group.addoption(
        "--gdprops-profile", metavar="NAME", help="dev, ci or nightly (default: ci where CI is set, else dev)"
    )
    group.addoption("--gdprops-examples", type=int, metavar="N", help="examples per clause")
    group.addoption("--gdprops-timeout", type=float, metavar="SECONDS", help="time of the subject per clause")
    group.addoption("--gdprops-seed", type=int, metavar="N", help="draw the same examples in every run")
    group.addoption(
        "--gdprops-strict",
        action="store_true",
        default=None,
        help="vacuous clauses and violated recommendations fail too",
    )
    group.addoption(
        "--gdprops-watch",
        action="store_true",
        default=False,
        help="watch every test that trains: what is wrong in its first steps fails it",
    )
    group.addoption("--gdprops-shard", metavar="I/N", help="only the I-th of N parts of the clauses, for CI matrices")
    group.addoption("--gdprops-share", metavar="URL", help="a Redis server that shares failing examples")
    for form, help_text in FORMS.items():
        group.addoption(f"--gdprops-{form}", metavar="PATH", help=help_text)


def pytest_configure(config: pytest.Config) -> None:
    """Refuse wrong options before any test runs, and register what the options ask for."""
    with contextlib.suppress(OSError, ValueError):
        config.stash[TERMINAL] = os.fdopen(os.dup(2), "w", encoding="utf-8", errors="replace")
    names = ("profile", "examples", "timeout", "seed", "shard", "share")
    if any(config.getoption(f"gdprops_{name}") is not None for name in names):
        from gdprops.plugin.pytest_items import settings_of

        settings_of(config)
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(BugAlarm(), "gdprops-bug-alarm")
        if _reports(config):
            from gdprops.plugin.recorder import record

            record(config)
    if config.getoption("gdprops"):
        from gdprops.plugin.configured import prepare

        prepare(config)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Close what `pytest_configure` has opened."""
    if TERMINAL in config.stash:
        config.stash[TERMINAL].close()


def _reports(config: pytest.Config) -> bool:
    """Say whether a report on all tests together is wanted."""
    asked = config.getoption("gdprops") or os.environ.get("GITHUB_STEP_SUMMARY")
    return bool(asked or any(config.getoption(f"gdprops_{form}") for form in FORMS))


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect the project's pyproject.toml, whose subjects are tests with ``--gdprops``."""
    if file_path.name != "pyproject.toml" or not parent.config.getoption("gdprops"):
        return None
    from gdprops.plugin.configured import collected

    return collected(file_path, parent)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the clauses that a test function checks too, and those of other shards.

    Tests that do not check a clause run in every shard.
    """
    others = set[pytest.Item]()
    if config.getoption("gdprops"):
        from gdprops.plugin.configured import checked_twice

        others |= checked_twice(items)
    shard = config.getoption("gdprops_shard")
    if shard is not None:
        from gdprops.runner.shards import share

        clauses = [item for item in items if _checks_a_clause(item) and item not in others]
        others |= set(clauses) - set(share(clauses, shard))
    if others:
        config.hook.pytest_deselected(items=[item for item in items if item in others])
        items[:] = [item for item in items if item not in others]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Run a test; a test that checks a clause gets its settings and a place for its verdict."""
    if not _checks_a_clause(item):
        live = _watching(item)
        if live is None:
            return (yield)
        from gdprops.plugin.watched_tests import watched

        with watched(live):
            return (yield)
    from gdprops.plugin.pytest_items import inside

    with inside(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let the short summary say a violation in one line, on CI too."""
    report = yield
    outcomes = sys.modules.get("gdprops.plugin.pytest_outcomes")
    if outcomes is not None and call.excinfo is not None and call.excinfo.errisinstance(outcomes.ViolationFailure):
        outcomes.shorten_summary(report, call.excinfo.value)
    return report


@pytest.fixture
def gdprops_watch(request: pytest.FixtureRequest) -> LiveRun:
    """Watch this test's training: what is wrong in its first steps fails it. Returns the watched run."""
    from gdprops.plugin.watched_tests import live_run

    return live_run(request.node)


def _watching(item: pytest.Item) -> LiveRun | None:
    """Return what watches a test, None where nobody asks for it."""
    found: LiveRun | None = getattr(item, "funcargs", {}).get("gdprops_watch")
    if found is None and item.config.getoption("gdprops_watch"):
        from gdprops.plugin.watched_tests import live_run

        return live_run(item)
    return found


def _checks_a_clause(item: pytest.Item) -> bool:
    if type(item).__module__ == "gdprops.plugin.configured":
        return True
    home = sys.modules.get("gdprops.plugin.parametrize")
    callspec = getattr(item, "callspec", None)
    if home is None or callspec is None:
        return False
    return any(isinstance(value, home.BoundClause) for value in callspec.params.values())
