"""Torch as the engine runs it: on one thread. And what tests cost: recorded, and used by three rules.

In a run with `--cov` the lines of a recorded test are only counted where `counted.json` names it: to count takes more
than half of a test's time again, and other tests take the same lines (`choose_counted.py`). A slow test that is not
counted runs at night (`tox -e nightly`), unless it is marked `daily`. `tox -e quick` leaves out what takes longest.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Generator, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

DURATIONS = Path(__file__).with_name("durations.json")
"""CPU seconds of each test that took more than `WORTH_NOTING` in a whole run, its processes included, by node id."""
WORTH_NOTING = 0.2
COUNTED = Path(__file__).with_name("counted.json")
"""The tests of `durations.json` that take between them nearly all branches that any of them takes, by node id."""
BEGAN = pytest.StashKey[float]()
"""The CPU seconds that this process and its children had spent when a test began."""
SLOW = 0.3
"""From how many recorded seconds on a test that is not counted runs at night only, unless it is marked `daily`."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the two options about durations."""
    parser.addoption("--budget", type=float, help="run the cheapest tests only, up to so many recorded seconds")
    parser.addoption("--count-all", action="store_true", help=f"count the lines of all tests, to choose {COUNTED.name}")
    parser.addoption("--record-durations", action="store_true", help=f"write {DURATIONS.name} after the run")


def pytest_configure(config: pytest.Config) -> None:
    """Every library that counts threads, in this process and in those that tests start, gets one; all run afresh."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    os.environ["GDPROPS_FRESH"] = "1"  # no test depends on what is kept of earlier runs on this machine
    if find_spec("hypothesis") is not None:  # the environment `light` has none
        from hypothesis import HealthCheck, settings

        settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
        settings.load_profile("tests")  # time by the clock decides nothing, on a busy machine neither
    if config.getoption("--record-durations") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Stopwatch())


@pytest.fixture(scope="session")
def ranks() -> Iterator[None]:
    """Let the ranks of distributed steps stay from test to test: loading torch for them takes two seconds."""
    from gdprops.subjects.distributed_step.ranks.pools import POOLS

    with POOLS.held():
        yield


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    if find_spec("torch") is not None:  # the environment `light` has none
        import torch

        torch.set_num_threads(1)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the slow tests to the night, and count the lines of some of the others."""
    recorded = json.loads(DURATIONS.read_text(encoding="utf-8"))
    counted = recorded if config.getoption("--count-all") else json.loads(COUNTED.read_text(encoding="utf-8"))
    uncounted = set(recorded) - set(counted)
    for item in items:
        if item.nodeid.partition("@")[0] not in uncounted:
            continue
        item.add_marker(pytest.mark.no_cover)
        if _recorded(recorded, item) > by_day_up_to(item):
            item.add_marker(pytest.mark.nightly)


@pytest.hookimpl(specname="pytest_collection_modifyitems", trylast=True)
def keep_to_the_budget(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what costs most, until the rest fits the budget."""
    budget = config.getoption("--budget")
    if budget is None:
        return
    recorded = json.loads(DURATIONS.read_text(encoding="utf-8"))
    kept, spent = set[str](), 0.0
    for item in sorted(items, key=lambda one: _recorded(recorded, one)):
        spent += _recorded(recorded, item)
        if spent > budget:
            break
        kept.add(item.nodeid)
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid not in kept])
    items[:] = [item for item in items if item.nodeid in kept]


def by_day_up_to(item: pytest.Item) -> float:
    """Return up to how many recorded seconds a test runs by day, which ``daily(seconds)`` says for it."""
    marker = item.get_closest_marker("daily")
    return SLOW if marker is None else float(marker.args[0]) if marker.args else math.inf


def _recorded(durations: dict[str, float], item: pytest.Item) -> float:
    """Return the recorded seconds of a test, whose name xdist may have given a group: 0.0 where there are none."""
    return durations.get(item.nodeid.partition("@")[0], 0.0)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Note when a test begins."""
    item.stash[BEGAN] = sum(os.times()[:4])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tell with a report what the test has cost so far: two tests share a core, so half of its time by the clock."""
    report = yield
    spent = max(sum(os.times()[:4]) - item.stash[BEGAN], report.duration / 2)
    report.cpu_seconds = spent  # type: ignore[attr-defined] # ours; reports take further attributes along
    return report


class Stopwatch:
    """Writes down the CPU seconds of every test; what a session or a module tears down is no test's."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what a test has cost up to the end of its call."""
        if report.when == "call":
            self.seconds[report.nodeid.partition("@")[0]] = report.cpu_seconds

    def pytest_sessionfinish(self) -> None:
        """Write the tests that are worth noting."""
        noted = {name: round(s, 1) for name, s in sorted(self.seconds.items()) if s > WORTH_NOTING}
        DURATIONS.write_text(json.dumps(noted, indent=0) + "\n", encoding="utf-8")
