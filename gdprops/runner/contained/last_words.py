"""What a dead process has left behind: what it was doing, where in the user's code, and how it ended."""

from __future__ import annotations

import re
import signal
from pathlib import Path
from typing import NamedTuple

from gdprops.subjects.user_code.black_box import BlackBox, Running
from gdprops.subjects.user_code.place import is_own, shown_path

BOX, CRASH, PRINTED = "box", "crash", "printed"
"""The files that supervisor and child share."""
PIPE_LOST = 74
"""The exit code of a process that cannot send any more (EX_IOERR)."""
_FRAME = re.compile(r'^  File "(.*)", line (\d+) in (.*)$', re.MULTILINE)
_THREAD = re.compile(r"^(?:Current t|T)hread 0x.*$", re.MULTILINE)
_KILLED = {
    "SIGKILL": "was killed (SIGKILL, often for want of memory)",
    "SIGSEGV": "was ended by a crash of native code (SIGSEGV)",
    "SIGABRT": "was ended by a crash of native code (SIGABRT)",
}


class LastWords(NamedTuple):
    """What can be said of a process that has ended."""

    running: Running
    where: str
    asked: str

    def told(self, how: str) -> str:
        """Return in one line what the subject did, during what, and where."""
        during = f" in {self.running.doing}" if self.running.until and self.running.doing else ""
        return f"{self.asked or how}{during}{f', at {self.where}' if self.where else ''}"


def last_words(folder: Path, box: BlackBox) -> LastWords:
    """Read what a process has left in a folder."""
    try:
        said = (folder / CRASH).read_text(encoding="utf-8", errors="replace")
    except OSError:
        said = ""
    asked = f"the subject ended its process by {said.splitlines()[0]}" if said.startswith("os._exit") else ""
    return LastWords(box.running, _where(said), asked)


def how_it_ended(code: int) -> str:
    """Say in words how a process with this exit code ended."""
    if code == PIPE_LOST:
        return "the subject has closed files of its process that it did not open"
    if code >= 0:
        return f"the subject ended its process with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"the subject's process {_KILLED.get(name, f'was ended by {name}')}"


def _where(said: str) -> str:
    """Return the innermost line of the user's own code: of the thread that crashed, else of any."""
    for part in (_of_the_main_thread(said), said):
        for file, line, _ in _FRAME.findall(part):
            if is_own(file):
                return f"{shown_path(file)}:{line}"
    return ""


def _of_the_main_thread(said: str) -> str:
    marks = [found for found in _THREAD.finditer(said) if found.group().startswith("Current")]
    if not marks:
        return said
    start = marks[-1].end()
    following = _THREAD.search(said, start)
    return said[start : following.start() if following else len(said)]
