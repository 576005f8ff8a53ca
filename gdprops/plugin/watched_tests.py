"""A test that trains is watched: what the chapter `live` finds wrong fails the test, notes are warnings."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gdprops.model.verdict import ALARMING
from gdprops.plugin.pytest_outcomes import WIDTH, GdpropsWarning, ViolationFailure
from gdprops.report.violation_text import violation_text

if TYPE_CHECKING:
    import pytest

    from gdprops.live_run import LiveRun
    from gdprops.model.verdict import Verdict


def live_run(item: pytest.Item) -> LiveRun:
    """Return what watches a test; it does not watch yet."""
    from gdprops.live_run import watch

    return watch(name=item.nodeid, strict=bool(item.config.getoption("gdprops_strict")))


@contextmanager
def watched(live: LiveRun) -> Iterator[None]:
    """Watch what happens inside, and fail where it trains wrongly; a test that fails itself stays as it is."""
    with live:
        yield
    if not live.steps and live.error is None:
        return
    for verdict in live.report:
        if verdict.status in ALARMING:
            _tell(verdict, live)


def _tell(verdict: Verdict, live: LiveRun) -> None:
    outcome = live.report.outcome
    message = violation_text(verdict, subject=outcome.subject, width=WIDTH)
    if verdict.failed_strictly if outcome.strict else verdict.failed or verdict.status == "error":
        raise ViolationFailure(message)
    warnings.warn(GdpropsWarning(message), stacklevel=2)
