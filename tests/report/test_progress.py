"""The progress line: sparse in a log, alive in a terminal, silent when asked."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from gdprops.report.progress import Progress, as_keeper, progress
from gdprops.report.progress_display import LIVE_INTERVAL, PLAIN_INTERVAL, Display, displaying
from tests.report import verdicts


class FakeClause:
    id = "step.simultaneous"


class FakeItem:
    clause = FakeClause()
    about = verdicts.About.SUBJECT


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


ITEM: Any = FakeItem()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_line_says_how_far_and_what_runs_now(clock: Clock) -> None:
    lines: list[str] = []
    watching = Progress(Display(lines.append, interval=1.0, clock=clock))
    watching.started(ITEM, 33)
    clock.now = 2.0
    watching.example(37)
    clock.now = 4.5
    watching.finished(verdicts.violated())
    assert lines == [
        "0 of 33 clauses done, now step.simultaneous, 0 s",
        "0 of 33 clauses done, now step.simultaneous, 37 examples, 2 s",
        "1 of 33 clauses done (1 violated), now step.simultaneous, 4 s",
    ]
    assert as_keeper(watching) is watching
    assert [verdict.clause for verdict in watching.verdicts] == ["step.simultaneous"]


def test_the_reference_is_counted_apart(clock: Clock) -> None:
    lines: list[str] = []
    watching = Progress(Display(lines.append, interval=0.0, clock=clock))
    watching.started(ITEM, 2)
    watching.finished(verdicts.violated(level=verdicts.Level.RECOMMENDED))
    of_reference: Any = FakeItem()
    of_reference.about = verdicts.About.REFERENCE
    watching.started(of_reference, 17)
    assert lines[1] == "1 of 2 clauses done (1 violated (recommended)), now step.simultaneous, 0 s"
    assert lines[2] == "reference: 0 of 17 clauses done, now step.simultaneous, 0 s"


def test_in_a_terminal_the_first_failed_clause_is_told_at_once(clock: Clock) -> None:
    lines: list[str] = []
    watching = Progress(Display(lines.append, interval=1.0, clock=clock, keeps=True))
    watching.started(ITEM, 22)
    watching.finished(verdicts.violated(explanation=None, reason="w1 was not moved"))
    watching.finished(verdicts.violated(clause="step.once", reason="another one"))
    clock.now = 3.0
    watching.example(7)
    found = "VIOLATED step.simultaneous: w1 was not moved"
    assert lines[1] == f"{found}\n1 of 22 clauses done (1 violated), now step.simultaneous, 0 s"
    assert lines[-1] == f"{found}\n2 of 22 clauses done (2 violated), now step.simultaneous, 7 examples, 3 s"


def test_a_recommendation_is_not_told_before_the_end(clock: Clock) -> None:
    lines: list[str] = []
    watching = Progress(Display(lines.append, interval=0.0, clock=clock, keeps=True))
    watching.started(ITEM, 2)
    watching.finished(verdicts.violated(level=verdicts.Level.RECOMMENDED))
    assert lines[-1] == "1 of 2 clauses done (1 violated (recommended)), now step.simultaneous, 0 s"


def test_lines_are_sparse(clock: Clock) -> None:
    lines: list[str] = []
    display = Display(lines.append, interval=10.0, delay=10.0, clock=clock)
    for second in range(60):
        clock.now = float(second)
        display.tell("x")
    assert lines == ["x, 10 s", "x, 20 s", "x, 30 s", "x, 40 s", "x, 50 s"]


def test_a_log_gets_no_line_from_a_short_run() -> None:
    page = StringIO()
    with progress(Console(file=page)) as watching:
        watching.started(ITEM, 1)
        watching.finished(verdicts.held())
    assert page.getvalue() == ""


def test_a_log_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gdprops.report.progress_display.PLAIN_INTERVAL", 0.0)
    page = StringIO()
    with displaying(Console(file=page, width=20)) as display:
        display.tell("1 of 2 clauses done, now step.simultaneous")
    assert page.getvalue() == "gdprops: 1 of 2 clauses done, now step.simultaneous, 0 s\n"


def test_a_terminal_gets_a_line_that_is_gone_afterwards() -> None:
    page = StringIO()
    with progress(Console(file=page, force_terminal=True, width=60)) as watching:
        watching.started(ITEM, 1)
    assert "loading, 0 s" in page.getvalue()
    assert page.getvalue().endswith("\x1b[2K")


def test_quiet_shows_nothing_even_in_a_terminal() -> None:
    page = StringIO()
    with progress(Console(file=page, force_terminal=True), quiet=True) as watching:
        watching.started(ITEM, 1)
        watching.finished(verdicts.held())
    assert page.getvalue() == ""
    assert len(watching.verdicts) == 1


def test_a_terminal_is_redrawn_more_often_than_a_log() -> None:
    assert LIVE_INTERVAL < PLAIN_INTERVAL
