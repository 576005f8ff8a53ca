"""Calling the user's code: crashes become evidence, time is counted, and the alarm goes back to whoever had it."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from gdprops.errors import SubjectCrash, SubjectTimeout, Unsupported, UsageError, text_of
from gdprops.subjects.user_code.black_box import RECORDER, BlackBox
from gdprops.subjects.user_code.calling import Calls
from gdprops.subjects.user_code.importing import import_module

ALARMS = hasattr(signal, "setitimer")
needs_alarms = pytest.mark.skipif(not ALARMS, reason="this platform has no interval timers")


def test_an_exception_of_the_subject_is_a_crash_with_its_message() -> None:
    with pytest.raises(SubjectCrash) as raised, Calls().to("step()"):
        raise ZeroDivisionError("at weight 3")
    assert str(raised.value) == "step() raised ZeroDivisionError: at weight 3"
    assert raised.value.doing == "step()"
    assert isinstance(raised.value.error, ZeroDivisionError)
    assert raised.value.__cause__ is raised.value.error


def test_a_subject_that_exits_has_crashed() -> None:
    with pytest.raises(SubjectCrash, match=r"step\(\) raised SystemExit: 3"), Calls().to("step()"):
        sys.exit(3)


@pytest.mark.parametrize("error", [GeneratorExit("no"), type("Own", (BaseException,), {})("no")])
def test_an_exception_that_is_no_error_is_a_crash_too(error: BaseException) -> None:
    with pytest.raises(SubjectCrash, match=r"step\(\) raised (GeneratorExit|Own): no"), Calls().to("step()"):
        raise error


def test_texts_of_the_subjects_can_be_written_anywhere() -> None:
    class Silent(Exception):
        def __str__(self) -> str:
            raise ValueError

    assert text_of(Silent()) == "(its text cannot be shown: __str__ raised ValueError)"
    assert text_of("bad \udc80") == "bad \\udc80"
    assert text_of("x" * 3_000_000).endswith("x… (3,000,000 characters)")
    assert len(text_of("x" * 3_000_000)) < 2100


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
def test_a_fork_of_the_subjects_does_not_come_back() -> None:
    us = os.getpid()
    with Calls().to("step()"):
        forked = os.fork()
    assert os.getpid() == us
    assert os.waitpid(forked, 0)[1] == 0


def test_a_supervisor_reads_from_outside_what_runs_and_until_when(tmp_path: Path) -> None:
    seen = BlackBox.made_at(tmp_path / "box")
    assert seen.running.until == 0
    RECORDER.box = BlackBox(tmp_path / "box")
    try:
        with RECORDER.noting("building", 100), Calls(5).to("step(x)"):
            assert seen.running.doing == "step(x)"
            assert 4 < seen.running.until - time.monotonic() < 6
        with RECORDER.noting("building", 3), Calls(5).to("step(x)"):
            assert seen.running.until - time.monotonic() < 4
        with RECORDER.noting("building", 3), RECORDER.noting("importing", 30, alone=True):
            assert 29 < seen.running.until - time.monotonic() < 31
        with pytest.raises(SubjectCrash), Calls(5).to("step(x)"):
            raise KeyboardInterrupt
    finally:
        RECORDER.box = None
    assert seen.running.until == 0


def test_our_own_errors_and_the_users_interrupt_pass_through() -> None:
    with pytest.raises(UsageError, match="no module is named 'nosuchthing'"), Calls().to("step()"):
        import_module("nosuchthing")
    with pytest.raises(KeyboardInterrupt), Calls().to("step()"):
        raise KeyboardInterrupt


def test_an_error_of_ours_that_the_subject_raises_itself_is_a_crash() -> None:
    with pytest.raises(SubjectCrash, match=r"step\(\) raised Unsupported: no closure"), Calls().to("step()"):
        raise Unsupported("no closure")


MESSAGE = r"the subject used more than its 0\.05 s for this clause \(--timeout raises the limit\)"


@needs_alarms
def test_a_call_that_hangs_is_interrupted() -> None:
    began = time.perf_counter()
    with pytest.raises(SubjectTimeout, match=MESSAGE), Calls(0.05).to("step()"):
        time.sleep(30)
    assert time.perf_counter() - began < 5


@needs_alarms
def test_a_bare_except_does_not_swallow_the_end_of_time() -> None:
    def step() -> None:
        try:
            time.sleep(30)
        except:  # noqa: E722 - that is the subject's fault
            return

    began = time.perf_counter()
    with pytest.raises(SubjectTimeout, match=MESSAGE), Calls(0.05).to("step()"):
        step()
    assert time.perf_counter() - began < 5


@needs_alarms
def test_nor_does_a_second_sleep_after_it() -> None:
    def step() -> None:
        for _ in range(2):
            with suppress(BaseException):
                time.sleep(30)

    began = time.perf_counter()
    with pytest.raises(SubjectTimeout, match=MESSAGE), Calls(0.05).to("step()"):
        step()
    assert time.perf_counter() - began < 5


def test_the_budget_is_spent_over_all_calls() -> None:
    calls = Calls(0.05)

    def run() -> None:
        for _ in range(100):
            with calls.to("step()"):
                time.sleep(0.01)

    with pytest.raises(SubjectTimeout, match=MESSAGE):
        run()


def test_waiting_between_short_calls_counts_an_eighth() -> None:
    """Other processes may have the processor most of the time: that is not the subject's doing."""
    calls = Calls(0.05)
    for _ in range(8):
        with calls.to("step()"):
            time.sleep(0.015)


def test_the_budget_is_spent_by_work_that_waits_for_nothing() -> None:
    calls, began = Calls(0.05), time.process_time()

    def run() -> None:
        while True:
            with calls.to("step()"):
                sum(range(10_000))

    with pytest.raises(SubjectTimeout, match=MESSAGE):
        run()
    assert time.process_time() - began < 1


def test_in_another_thread_the_budget_is_checked_between_calls() -> None:
    caught: list[BaseException] = []

    def work() -> None:
        try:
            with Calls(0.01).to("step()"):
                time.sleep(0.05)
        except SubjectTimeout as error:
            caught.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert len(caught) == 1


@pytest.fixture
def someone_elses_alarm() -> Iterator[list[int]]:
    rung: list[int] = []
    held = signal.signal(signal.SIGALRM, lambda number, frame: rung.append(number))
    signal.setitimer(signal.ITIMER_REAL, 60.0)
    yield rung
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, held)


@needs_alarms
@pytest.mark.parametrize("crashes", [False, True])
def test_the_alarm_and_its_timer_are_given_back(someone_elses_alarm: list[int], *, crashes: bool) -> None:
    handler = signal.getsignal(signal.SIGALRM)
    try:
        with Calls(5.0).to("step()"):
            assert signal.getsignal(signal.SIGALRM) is not handler
            assert 0 < signal.getitimer(signal.ITIMER_REAL)[0] <= 5
            if crashes:
                raise ValueError
    except SubjectCrash:
        assert crashes
    assert signal.getsignal(signal.SIGALRM) is handler
    assert 5 < signal.getitimer(signal.ITIMER_REAL)[0] <= 60
    assert someone_elses_alarm == []


@needs_alarms
def test_the_time_of_a_call_counts_for_the_others_alarm_too(someone_elses_alarm: list[int]) -> None:
    signal.setitimer(signal.ITIMER_REAL, 60.0, 7.0)
    with Calls(5.0).to("step()"):
        time.sleep(0.2)
    left, interval = signal.getitimer(signal.ITIMER_REAL)
    assert left < 59.9
    assert interval == 7.0
    assert someone_elses_alarm == []


@needs_alarms
def test_an_alarm_that_rings_while_it_is_given_back_is_given_back_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    handler, calls, rung = signal.getsignal(signal.SIGALRM), Calls(5.0), list[int]()
    disarm = Calls._disarm

    def interrupted(self: Calls, previous: Any, seconds: float) -> None:
        if not rung:
            rung.append(1)
            raise SubjectTimeout("just now")
        disarm(self, previous, seconds)

    monkeypatch.setattr(Calls, "_disarm", interrupted)
    with calls.to("step()"):
        pass
    assert signal.getsignal(signal.SIGALRM) is handler
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


@needs_alarms
def test_without_a_budget_no_alarm_is_touched() -> None:
    handler = signal.getsignal(signal.SIGALRM)
    with Calls().to("step()"):
        assert signal.getsignal(signal.SIGALRM) is handler
        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
