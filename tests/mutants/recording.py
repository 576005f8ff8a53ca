"""A pytest plugin for `coverage_map`: it records how long every test took and whether it passed."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from pathlib import Path

import pytest

from tests.mutants.coverage_map import RECORD


class Recording:
    """Adds up the phases of every test, and writes one line for it when it has been torn down."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._phases = defaultdict[str, list[pytest.TestReport]](list)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep one phase of one test."""
        self._phases[report.nodeid].append(report)
        if report.when == "teardown":
            phases = self._phases.pop(report.nodeid)
            entry = (report.nodeid, sum(p.duration for p in phases), all(p.passed for p in phases))
            with self._path.open("a", encoding="utf-8") as file:
                print(json.dumps(entry), file=file)


def pytest_configure(config: pytest.Config) -> None:
    """Record in the main process, to which workers of pytest-xdist report."""
    if RECORD in os.environ and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Recording(Path(os.environ[RECORD])), "gdprops-mutants-recording")
