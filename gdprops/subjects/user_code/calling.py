"""Calls the user's code: turns its exceptions into evidence, and counts its time."""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NamedTuple, final

from gdprops.errors import GdpropsError, SubjectCrash, SubjectOutOfMemory, SubjectStopped, SubjectTimeout, text_of
from gdprops.subjects.user_code.black_box import RECORDER

REFUSALS = (ValueError, NotImplementedError, AssertionError, RuntimeError)
"""The exceptions by which a constructor refuses its arguments."""


class _Alarm(NamedTuple):
    handler: Any
    timer: tuple[float, float]


@final
class Calls:
    """A budget of seconds for everything that the subject's code does.

    Where the platform has interval timers, and in the main thread, a hanging call is interrupted; elsewhere the budget
    is only checked between calls.
    """

    def __init__(self, seconds: float | None = None, purpose: str = "for this clause") -> None:
        self._left = seconds
        self._budget = seconds
        self._purpose = purpose

    @contextmanager
    def to(self, doing: str) -> Iterator[None]:
        """Run the subject's code inside this context.

        Raises `SubjectCrash` for the code's exceptions, and `SubjectStopped` where its time or memory is used up.
        """
        started, process = time.perf_counter(), os.getpid()
        outer = RECORDER.entered(doing, math.inf if self._left is None else self._left)
        previous = self._arm()
        try:
            yield
        except GdpropsError:
            raise
        except SubjectStopped:
            raise
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
            RECORDER.left(outer)
            seconds = time.perf_counter() - started
            try:
                self._disarm(previous, seconds)
            except SubjectTimeout:  # the alarm rang while it was being given back
                self._disarm(previous, seconds)
            self._spend(seconds)

    def _arm(self) -> _Alarm | None:
        if self._left is None or not _interruptible():
            return None
        handler = signal.signal(signal.SIGALRM, self._ring)
        timer = signal.setitimer(signal.ITIMER_REAL, max(self._left, 0.001), 0.5)
        return _Alarm(handler, timer)

    def _disarm(self, previous: _Alarm | None, seconds: float) -> None:
        """Give the alarm back to its earlier owner (a test runner's time limit), with the time that it has left."""
        if previous is not None:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, previous.handler)
            left, interval = previous.timer
            signal.setitimer(signal.ITIMER_REAL, max(left - seconds, 0.001) if left else 0.0, interval)

    def _spend(self, seconds: float) -> None:
        if self._left is not None:
            self._left -= seconds
            if self._left <= 0:
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
