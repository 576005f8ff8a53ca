"""A call that goes on after its limit is told once, with its place, and nothing is ended."""

from __future__ import annotations

import io
import signal
import time

import pytest

from gdprops.errors import SubjectTimeout
from gdprops.subjects.user_code import watchdog
from gdprops.subjects.user_code.calling import Calls
from gdprops.subjects.user_code.watchdog import Watchdog, printed_to


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """Let a watchdog of its own look often, and print to a text."""
    monkeypatch.setattr(watchdog, "LOOK", 0.05)
    monkeypatch.setattr(watchdog, "LATE", 0.1)
    made = Watchdog()
    monkeypatch.setattr(watchdog, "WATCHDOG", made)
    monkeypatch.setattr("gdprops.subjects.user_code.calling.WATCHDOG", made)
    return io.StringIO()


def _sleep_without_alarm() -> None:
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    time.sleep(1.0)


def test_a_hanging_call_is_told_once_with_its_place(quick: io.StringIO) -> None:
    with printed_to(quick), pytest.raises(SubjectTimeout), Calls(0.1).to("step()"):
        _sleep_without_alarm()
    said = quick.getvalue()
    assert said.startswith("gdprops: step() goes on 0.1 s after its time was up, and cannot be interrupted here")
    assert said.count("gdprops: ") == 1
    assert "in _sleep_without_alarm\n    time.sleep(1.0)\n" in said


def test_calls_in_time_are_not_told(quick: io.StringIO) -> None:
    with printed_to(quick):
        for _ in range(5):
            with Calls(5.0).to("step()"):
                time.sleep(0.05)
        time.sleep(0.3)
    assert quick.getvalue() == ""
