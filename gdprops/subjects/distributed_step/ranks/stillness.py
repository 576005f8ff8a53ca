"""Whether processes stand still: they use no time of a processor, and do not want any.

A rank that waits in a collective sleeps; one that computes, or that only gets no turn on a busy machine, does not.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import final

PROCESSES = Path("/proc")
LOOKS = 4
"""At so many looks in a row a process must stand still."""
STATE, USER, SYSTEM = 0, 11, 12
"""The fields of /proc/PID/task/TID/stat behind the name of the thread."""
Used = tuple[tuple[str, ...], ...]


@final
class Stillness:
    """Looks at processes again and again. Where the platform does not tell, none ever stands still."""

    def __init__(self) -> None:
        self._before = dict[int, Used | None]()
        self._looks = dict[int, int]()

    def all_still(self, pids: Iterable[int]) -> bool:
        """Look once; say whether all of them have stood still at the last looks."""
        looks = [self._look(pid) for pid in pids]
        return min(looks, default=0) >= LOOKS

    def _look(self, pid: int) -> int:
        now = _used(pid)
        still = now is not None and all(state == "S" for state, *_ in now) and now == self._before.get(pid)
        self._before[pid] = now
        self._looks[pid] = self._looks.get(pid, 0) + 1 if still else 0
        return self._looks[pid]


def _used(pid: int) -> Used | None:
    """Return the state and the used time of every thread: gloo receives in one of its own, which may want a turn."""
    try:
        threads = sorted((PROCESSES / str(pid) / "task").iterdir())
        said = [(thread / "stat").read_text(encoding="ascii", errors="replace") for thread in threads]
    except OSError:
        return None
    fields = [one.rpartition(")")[2].split() for one in said]
    return tuple((one[STATE], one[USER], one[SYSTEM]) for one in fields) or None
