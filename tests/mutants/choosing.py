"""A pytest plugin for `run`: only the tests of a list run, in the order of the list; the first that fails is noted."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

CHOSEN = "GDPROPS_MUTANTS_CHOSEN"
"""The environment variable with the file that lists the tests."""
KILLER = "GDPROPS_MUTANTS_KILLER"
"""The environment variable with the file into which the name of the first test that fails is written."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the chosen tests, the fastest first."""
    if CHOSEN in os.environ:
        chosen = json.loads(Path(os.environ[CHOSEN]).read_text(encoding="utf-8"))
        order = {test: k for k, test in enumerate(chosen)}
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid not in order])
        items[:] = sorted((item for item in items if item.nodeid in order), key=lambda item: order[item.nodeid])


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note a test that fails; the run ends with it."""
    if KILLER in os.environ and report.failed:
        Path(os.environ[KILLER]).write_text(report.nodeid, encoding="utf-8")
