"""The black box of a process: which call of the user's code runs there, and until when it may run.

A process that supervises this one reads the box from outside. So a call that hangs in native code, where no Python
code can stop it, is ended in time, and a process that ends without a word leaves behind what it was doing.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import NamedTuple, final

SIZE = 4096
_HEAD = struct.Struct("dH")
_LONGEST = SIZE - _HEAD.size


class Running(NamedTuple):
    """What runs: its name, and the time of `time.monotonic` until which it may run (0: nothing runs)."""

    doing: str
    until: float


@final
class BlackBox:
    """A file in memory that two processes share: one writes what it does, the other reads."""

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), SIZE)
        self.folder = path.parent
        """Where the box lies, and whatever else a supervised process leaves behind: its supervisor removes it."""
        self._process = os.getpid()

    @staticmethod
    def made_at(path: Path) -> BlackBox:
        """Make an empty box."""
        path.write_bytes(bytes(SIZE))
        return BlackBox(path)

    def entered(self, doing: str, seconds: float, *, alone: bool = False) -> None:
        """Note that something begins that may take some seconds.

        It may take no longer than what runs around it, unless it has a limit of its own (``alone``).
        """
        until, around = monotonic() + seconds, self.running.until
        self._write(doing, min(until, around) if around and not alone else until)

    def left(self, outer: Running) -> None:
        """Note that it has ended, and that what ran around it goes on."""
        self._write(*outer)

    def _write(self, doing: str, until: float) -> None:
        if os.getpid() == self._process:  # a fork of the user's code shares the memory
            said = doing.encode("utf-8", "replace")[:_LONGEST]
            self._memory[: _HEAD.size + len(said)] = _HEAD.pack(until, len(said)) + said

    @property
    def running(self) -> Running:
        """What runs now, or ran when the process ended."""
        until, length = _HEAD.unpack_from(self._memory)
        said = self._memory[_HEAD.size : _HEAD.size + min(length, _LONGEST)]
        return Running(said.decode("utf-8", "replace"), until)


@final
class Recorder:
    """Where the calls of this process are noted: nowhere, unless the process is supervised and a box is put in."""

    def __init__(self) -> None:
        self.box: BlackBox | None = None

    def entered(self, doing: str, seconds: float, *, alone: bool = False) -> Running | None:
        """Note that something begins; return what ran around it."""
        if self.box is None:
            return None
        outer = self.box.running
        self.box.entered(doing, seconds, alone=alone)
        return outer

    def left(self, outer: Running | None) -> None:
        """Note that it has ended."""
        if self.box is not None and outer is not None:
            self.box.left(outer)

    @contextmanager
    def noting(self, doing: str, seconds: float, *, alone: bool = False) -> Iterator[None]:
        """Note what runs inside this context."""
        outer = self.entered(doing, seconds, alone=alone)
        try:
            yield
        finally:
            self.left(outer)


RECORDER = Recorder()
"""The recorder of this process: like its standard output, there is one."""
