"""One supervised process: how it is started, heard, told what to do next, asked where it hangs, and ended."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector
from typing import IO, Any, final

from gdprops.runner.contained.last_words import BOX, CRASH, PIPE_LOST, LastWords, how_it_ended, last_words
from gdprops.subjects.user_code.black_box import BlackBox

GRACE = 2.0
"""Seconds after the limit until a process that did not stop by itself is ended."""
LOOK = 0.1
"""Seconds between two looks at the limits."""
DUMPING = 0.3
"""Seconds in which a hanging process may write down where it hangs."""
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""These variables are set to 1: every process computes with one thread."""
ROOT = str(Path(__file__).parents[3])
"""Where the package lies: this interpreter may have found it by its working folder."""


@final
class Process:
    """A process that runs ``entry`` (``module:function``), and what it shares with this one.

    It sends lines of JSON through one pipe, and is told through another; ``folder`` has its black box, and the file in
    which it notes where it crashes. It prints to ``printed``, None for here.
    """

    def __init__(
        self, entry: str, folder: Path, arguments: Sequence[str] = (), printed: IO[bytes] | None = None
    ) -> None:
        folder.mkdir(exist_ok=True)
        self._folder, self._box, self._left = folder, BlackBox.made_at(folder / BOX), b""
        (folder / CRASH).write_text("")
        self.pipe, sends = os.pipe()
        hears, self._tell = os.pipe()
        module, _, function = entry.partition(":")
        code = f"import sys; sys.path.append({ROOT!r}); from {module} import {function}; {function}()"
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", code, str(folder), str(sends), str(hears), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=printed,
            pass_fds=(sends, hears),
            start_new_session=True,
            env={**dict.fromkeys(THREADS, "1"), **os.environ},
        )
        os.close(sends)
        os.close(hears)
        self.current: tuple[str, str] | None = None
        self.family = ""
        """The item that it runs, its clause and what it is about."""
        self.is_done = False
        """Whether it has said that it is done."""
        self.was_overdue = False

    def heard(self) -> list[Any] | None:
        """Return the messages that have arrived; None if the process has closed its pipe."""
        received = os.read(self.pipe, 1 << 16)
        *lines, self._left = (self._left + received).split(b"\n")
        return [json.loads(line) for line in lines] if received else None

    def tell(self, value: Any) -> None:
        """Answer the process."""
        with contextlib.suppress(BrokenPipeError):
            os.write(self._tell, json.dumps(value).encode() + b"\n")

    def is_over(self) -> bool:
        """Say whether it has ended, or was ended; if it is overdue, end it.

        What it has started may outlive it, and hold the pipe open.
        """
        if self.was_overdue or self._process.poll() is not None:
            return True
        if 0 < self._box.running.until < time.monotonic() - GRACE:
            self.was_overdue = True
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGUSR1)  # it writes down where it hangs
                time.sleep(DUMPING)
            self._kill()
        return False

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def close(self) -> None:
        """End the process, and everything that it has started and left in its session."""
        self._kill()
        os.close(self.pipe)
        os.close(self._tell)

    def told(self) -> str:
        """Say in one line how the process ended, what it was doing and where, after it has closed its pipe."""
        try:
            code = self._process.wait(GRACE)
        except subprocess.TimeoutExpired:  # it goes on, but nothing of it can be heard any more
            code = PIPE_LOST
            self._kill()
        words: LastWords = last_words(self._folder, self._box)
        if self.was_overdue:
            during = f" in {words.running.doing}" if words.running.doing else ""
            return f"the subject hangs{during}{f', at {words.where}' if words.where else ''}"
        return words.told(how_it_ended(code))


def looked_at(processes: Iterable[Process]) -> list[tuple[Process, bool]]:
    """Wait a moment; return every process, and whether it has something to say."""
    found = list(processes)
    with DefaultSelector() as selector:
        for process in found:
            selector.register(process.pipe, EVENT_READ)
        ready = {key.fd for key, _ in selector.select(LOOK)}
    return [(process, process.pipe in ready) for process in found]
