"""The process that loads torch once and forks ranks from then on: a rank is there in milliseconds, not in seconds.

It never computes anything, so that what it forks finds torch unused. It is told what to do by lines on its standard
input: ``fork RANK WORLD`` and ``end PID``; it answers each with a line. When that input ends, because its parent has,
it ends its ranks and removes the folder that they share.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path
from shutil import rmtree
from typing import NoReturn

WITH_ITS_PARENT = 1
"""The option of Linux's ``prctl`` by which a process gets a signal when its parent has ended."""


def main() -> NoReturn:
    """Answer the lines on standard input until it ends."""
    address, key, folder = sys.argv[1:]
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    from gdprops.subjects.distributed_step.ranks import rank

    rank.load()
    children = set[int]()
    _say("ready")
    for line in sys.stdin:
        what, *numbers = line.split()
        if what == "fork":
            children.add(_fork(address, bytes.fromhex(key), Path(folder), *map(int, numbers)))
        else:
            child = int(numbers[0])
            children.discard(child)
            _say(str(_ended(child)))
    for child in children:
        _ended(child)
    rmtree(folder, ignore_errors=True)
    os._exit(0)


def _say(what: str) -> None:
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


def _fork(address: str, key: bytes, folder: Path, number: int, world: int) -> int:
    child = os.fork()
    if child:
        _say(str(child))
        return child
    try:
        _end_with_parent()
        from gdprops.subjects.distributed_step.ranks import rank

        rank.live(address, key, folder, number, world)
    finally:
        os._exit(1)


def _ended(child: int) -> int:
    """Make sure that a child has ended; return its exit code, negative for the signal that has ended it."""
    try:
        done, status = os.waitpid(child, os.WNOHANG)
        if not done:
            os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
    except (ChildProcessError, ProcessLookupError):
        return 0
    return os.waitstatus_to_exitcode(status)


def _end_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(WITH_ITS_PARENT, signal.SIGKILL)
