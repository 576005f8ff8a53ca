"""Torch as the engine runs it: on one thread. And how long tests take: recorded, and used by three rules.

A slow test runs at night (`tox -e nightly`), unless it is marked `daily`. `tox -e quick` leaves out what takes longest.
In a run with `--cov` the lines of long tests are not counted, nor those of most parameters of a test that is not short,
unless it is marked `counted`: to count takes half of a test's time again, and other tests take the same lines.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

DURATIONS = Path(__file__).with_name("durations.json")
"""Seconds of each test that took more than `WORTH_NOTING` in a whole run, by node id."""
WORTH_NOTING = 0.2
SLOW = 1.0
"""From how many recorded seconds on a test runs at night only, unless it is marked `daily`."""
LONG = 3.0
"""From how many recorded seconds on the lines of a test are not counted."""
SHORT = 0.3
"""Up to how many recorded seconds the lines of a test are counted in any case."""
FIRST = 2
"""Of how many of its parameters the lines of a longer test are counted, unless it is marked `counted`."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the two options about durations."""
    parser.addoption("--budget", type=float, help="run the cheapest tests only, up to so many recorded seconds")
    parser.addoption("--record-durations", action="store_true", help=f"write {DURATIONS.name} after the run")


def pytest_configure(config: pytest.Config) -> None:
    """Every library that counts threads, in this process and in those that tests start, gets one; all run afresh."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    os.environ["GDPROPS_FRESH"] = "1"  # no test depends on what is kept of earlier runs on this machine
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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the slow tests to the night, and do not count the lines of the long ones."""
    recorded = json.loads(DURATIONS.read_text(encoding="utf-8"))
    parameters = Counter[str]()
    for item in items:
        test, seconds = item.nodeid.partition("[")[0], _recorded(recorded, item)
        parameters[test] += 1
        if seconds > SLOW and item.get_closest_marker("daily") is None:
            item.add_marker(pytest.mark.nightly)
        repeats = seconds > SHORT and parameters[test] > FIRST
        if (seconds > LONG or repeats) and item.get_closest_marker("counted") is None:
            item.add_marker(pytest.mark.no_cover)


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


def _recorded(durations: dict[str, float], item: pytest.Item) -> float:
    """Return the recorded seconds of a test, whose name xdist may have given a group: 0.0 where there are none."""
    return durations.get(item.nodeid.partition("@")[0], 0.0)


class Stopwatch:
    """Adds up the seconds of every test, its set-up included, and writes them down."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add one phase of a test."""
        name = report.nodeid.partition("@")[0]  # xdist appends the group
        self.seconds[name] = self.seconds.get(name, 0.0) + report.duration

    def pytest_sessionfinish(self) -> None:
        """Write the tests that are worth noting."""
        noted = {name: round(s, 1) for name, s in sorted(self.seconds.items()) if s > WORTH_NOTING}
        DURATIONS.write_text(json.dumps(noted, indent=0) + "\n", encoding="utf-8")
