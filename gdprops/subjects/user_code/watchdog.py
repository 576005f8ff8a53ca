"""Tells of a call of the user's code that hangs in the caller's own process, and ends nothing.

`gdprops.check` and pytest run subjects in the process that calls them. There an alarm interrupts Python code that used
up its time; native code hears no alarm, and nobody outside ends the process. So a thread looks at the running call
from time to time, and prints once where it hangs:

    gdprops: step() goes on 2 s after its time was up, and cannot be interrupted here (the gdprops command ends it):
      File "mine.py", line 12, in step

Native code that keeps Python's lock stops this thread too; then nothing is printed.
"""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from types import FrameType
from typing import NamedTuple, TextIO, final

from gdprops.subjects.user_code.place import PACKAGE

LATE = 2.0
"""Seconds after the limit until a call is told of; the `gdprops` command ends a process then."""
LOOK = 0.5
"""Seconds between two looks."""


class Call(NamedTuple):
    """A running call: its name, until when it may run, and its thread."""

    doing: str
    until: float
    thread: int


@final
class Watchdog:
    """Knows the running call of this process, and looks at it from a thread of its own."""

    def __init__(self) -> None:
        self._running: Call | None = None
        self._thread: threading.Thread | None = None
        self.stream: TextIO | None = None

    def entered(self, doing: str, seconds: float) -> Call | None:
        """Note a call, and return the one around it."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._watch, name="gdprops watchdog", daemon=True)
            self._thread.start()
        outer = self._running
        self._running = Call(doing, monotonic() + seconds, threading.get_ident())
        return outer

    def left(self, outer: Call | None) -> None:
        """Note that the call has ended, and that the one around it goes on."""
        self._running = outer

    def _watch(self) -> None:
        told: Call | None = None
        pause = threading.Event()
        while not pause.wait(LOOK):
            call = self._running
            if call is not None and call is not told and monotonic() > call.until + LATE:
                told = call
                frame = sys._current_frames().get(call.thread)
                if frame is not None:
                    print(_told(call, frame), file=self.stream or sys.stderr, flush=True)


def _told(call: Call, frame: FrameType) -> str:
    stack = traceback.extract_stack(frame)
    ours = max((k for k, one in enumerate(stack) if one.filename.startswith(PACKAGE)), default=-1)
    where = "".join(traceback.format_list(stack[ours + 1 :])).rstrip()
    late = f"{call.doing} goes on {LATE:g} s after its time was up"
    return f"gdprops: {late}, and cannot be interrupted here (the gdprops command ends it):\n{where}"


WATCHDOG = Watchdog()
"""The watchdog of this process; it starts with the first call that has a limit."""


@contextmanager
def printed_to(stream: TextIO | None) -> Iterator[None]:
    """Let the watchdog print to a stream inside this context, for standard error may be captured; None for that."""
    WATCHDOG.stream, outer = stream, WATCHDOG.stream
    try:
        yield
    finally:
        WATCHDOG.stream = outer
