"""Calls the user's code: turns its exceptions into evidence, and counts its time."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found] # signal.signal makes enumerations of handlers: ten times as long
import math
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import perf_counter, process_time
from types import FrameType
from typing import Any, NamedTuple, final

from gdprops.errors import GdpropsError, SubjectCrash, SubjectOutOfMemory, SubjectStopped, SubjectTimeout, text_of
from gdprops.subjects.user_code.black_box import RECORDER
from gdprops.subjects.user_code.place import is_raised_by_gdprops
from gdprops.subjects.user_code.process_changes import KEPT
from gdprops.subjects.user_code.watchdog import WATCHDOG

REFUSALS = (ValueError, NotImplementedError, AssertionError, RuntimeError)
"""The exceptions by which a constructor refuses its arguments."""
WAITING = 8.0
"""So many seconds by the clock count as one of work: on a busy machine the code mostly waits for a processor."""


_ALLOWED: ContextVar[float] = ContextVar("seconds", default=60.0)


@contextmanager
def allowing(seconds: float) -> Iterator[None]:
    """Let every clause, and every trial of the user's functions, take so many seconds inside this context."""
    held = _ALLOWED.set(seconds)
    try:
        yield
    finally:
        _ALLOWED.reset(held)


def allowed() -> float:
    """Return how many seconds of the subject's own time a clause or a trial may take: what ``--timeout`` says."""
    return _ALLOWED.get()


class _Alarm(NamedTuple):
    handler: Any
    timer: tuple[float, float]


@final
class Calls:
    """A budget of seconds for everything that the subject's code does.

    Where the platform has interval timers, and in the main thread, a hanging call is interrupted; elsewhere the budget
    is only checked between calls. Clauses that share a run (``shared_by``) have the budgets of all of them together.
    What adds up over calls is the time that the processor works, or an eighth of that by the clock; a single call
    takes no longer than the budget by the clock.
    """

    def __init__(self, seconds: float | None = None, purpose: str = "for this clause", *, shared_by: int = 1) -> None:
        self._left = None if seconds is None else shared_by * seconds
        self._budget = seconds
        self._purpose = purpose

    @contextmanager
    def to(self, doing: str) -> Iterator[None]:
        """Run the subject's code inside this context.

        Raises `SubjectCrash` for the code's exceptions, and `SubjectStopped` where its time or memory is used up.
        """
        started, worked, process = perf_counter(), process_time(), os.getpid()
        most = math.inf if self._left is None or self._budget is None else min(WAITING * self._left, self._budget)
        outer = RECORDER.entered(doing, most)
        watched = RECORDER.box is None and math.isfinite(most)
        around = WATCHDOG.entered(doing, most) if watched else None
        previous = self._arm(most)
        KEPT.note()
        try:
            yield
        except (GdpropsError, SubjectStopped) as error:
            if is_raised_by_gdprops(error):
                raise
            raise SubjectCrash(doing, error) from error
        except KeyboardInterrupt as error:
            if RECORDER.box is None:
                raise  # somebody has pressed Ctrl-C; where a supervisor hears that, the subject itself has raised it
            raise SubjectCrash(doing, error) from error
        except BaseException as error:
            if _is_out_of_memory(error):
                raise SubjectOutOfMemory(f"{doing} ran out of memory") from error
            raise SubjectCrash(doing, error) from error
        finally:
            if os.getpid() != process:  # the subject has forked: its copy of this process must not go on here
                os._exit(0)
            KEPT.put_back()
            RECORDER.left(outer)
            if watched:
                WATCHDOG.left(around)
            seconds = perf_counter() - started
            try:
                self._disarm(previous, seconds)
            except SubjectTimeout:  # the alarm rang while it was being given back
                self._disarm(previous, seconds)
            self._spend(seconds, process_time() - worked)

    def _arm(self, most: float) -> _Alarm | None:
        if not math.isfinite(most) or not _interruptible():
            return None
        handler = _signal.signal(signal.SIGALRM, self._ring)
        timer = signal.setitimer(signal.ITIMER_REAL, max(most, 0.001), 0.5)
        return _Alarm(handler, timer)

    def _disarm(self, previous: _Alarm | None, seconds: float) -> None:
        """Give the alarm back to its earlier owner (a test runner's time limit), with the time that it has left."""
        if previous is not None:
            signal.setitimer(signal.ITIMER_REAL, 0)
            _signal.signal(signal.SIGALRM, previous.handler)
            left, interval = previous.timer
            if left:
                signal.setitimer(signal.ITIMER_REAL, max(left - seconds, 0.001), interval)

    def _spend(self, seconds: float, worked: float) -> None:
        if self._left is not None and self._budget is not None:
            self._left -= max(worked, seconds / WAITING)
            if self._left <= 0 or seconds > self._budget:
                raise SubjectTimeout(self._message())

    def _ring(self, _number: int, _frame: FrameType | None) -> None:
        raise SubjectTimeout(self._message())

    def _message(self) -> str:
        return f"the subject used more than its {self._budget:g} s {self._purpose} (--timeout raises the limit)"


def _interruptible() -> bool:
    in_main = threading.current_thread() is threading.main_thread()
    return in_main and hasattr(signal, "setitimer")  # the platform, not a subject


def _is_out_of_memory(error: BaseException) -> bool:
    """Say whether an error means that an allocation failed; torch has no exception type of its own for that."""
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and "t allocate memory" in text_of(error))
