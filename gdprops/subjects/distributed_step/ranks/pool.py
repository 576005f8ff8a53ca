"""The ranks of one world, seen from the judging process: asked, listened to, and ended where anything goes wrong.

A rank that waits for another one in a collective sleeps inside torch. When all ranks that have not answered do, nobody
will ever come: that is a deadlock, and is told with every rank's place. After anything out of the ordinary all ranks of
the pool are ended and forked anew: a collective that nobody has matched would meet the next case's.
"""

from __future__ import annotations

import os
import secrets
import signal
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, final

from gdprops.errors import UsageError
from gdprops.subjects.distributed_step.ranks.messages import Ask, Meet, Ran
from gdprops.subjects.distributed_step.ranks.nursery_process import Nursery
from gdprops.subjects.distributed_step.ranks.rank import PRINTED, STACK, file_of
from gdprops.subjects.distributed_step.ranks.stack_places import Standing, clash_in, standing
from gdprops.subjects.distributed_step.ranks.stillness import Stillness
from gdprops.subjects.distributed_step.ranks.unequal import unequal_counts, unmatched

LOOK, QUICK_LOOK = 0.25, 0.05
"""Seconds between two looks at ranks that have not answered, and after they once were seen to wait for ever."""
LOOK_AFTER_AN_ERROR, AFTER_AN_ERROR = 0.02, 0.3
"""Seconds between two looks at the other ranks after one has failed, and how long these may take to fail too."""
DUMPING = 0.15
"""Seconds in which ranks write down where they stand."""
COLLECTIVE = 60.0
"""Seconds after which gloo itself gives a collective up."""
CASES, GROUPS = 100, 40
"""After so many cases, or with so many process groups, ranks are forked anew: nothing that they keep can add up."""


@final
@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a case: what the ranks have told, where those stand that wait for ever, how those ended that did.

    Where one has raised an exception, those that wait for it are in none of these. ``clashed``: what gloo says on ranks
    that it has ended because they were sent the numbers of another collective.
    """

    ran: Mapping[int, Ran]
    waiting: Mapping[int, Standing] = field(default_factory=dict)
    died: Mapping[int, tuple[int, str]] = field(default_factory=dict)
    clashed: Mapping[int, str] = field(default_factory=dict)

    def in_order(self) -> Outcome:
        """Return the same by ascending rank, whichever has answered first."""
        parts: list[dict[int, Any]] = [dict(self.ran), dict(self.waiting), dict(self.died), dict(self.clashed)]
        return Outcome(*(dict(sorted(part.items())) for part in parts))


@final
class Pool:
    """The ranks of one world; they stay until something goes wrong in them."""

    def __init__(self, nursery: Nursery, world: int, port: int) -> None:
        self._nursery, self._world, self._port = nursery, world, port
        self._pids, self._lines, self._cases = dict[int, int](), dict[int, Connection](), 0
        self.has_waited = False
        """Whether ranks of this pool were seen to wait for ever."""
        self.last_places = ""
        """Where the ranks stood when a case was interrupted."""

    @property
    def processes(self) -> tuple[int, ...]:
        """The processes of the ranks that there are now."""
        return tuple(self._pids.values())

    def run(self, asks: Sequence[Ask]) -> Outcome:
        """Let every rank run its case."""
        if not self._lines:
            self._begin()
        try:
            found = self._answers(asks).in_order()
        except BaseException:
            self.last_places = self._places()
            self.end()
            raise
        self._cases += 1
        if self._is_used_up(found):
            self.end()
        return found

    def _is_used_up(self, found: Outcome) -> bool:
        ran = list(found.ran.values())
        if (
            len(ran) < self._world
            or any(one.raised is not None for one in ran)
            or unequal_counts(ran)
            or unmatched(ran)
        ):
            return True
        return self._cases >= CASES or any(one.groups > GROUPS for one in ran)

    def _begin(self) -> None:
        self._cases = 0
        self._pids = {number: self._nursery.fork(number, self._world) for number in range(self._world)}
        numbers = {pid: number for number, pid in self._pids.items()}
        for _ in self._pids:
            line = self._nursery.listener.accept()
            self._lines[numbers[line.recv()]] = line
        prefix = secrets.token_hex(8)
        for line in self._lines.values():
            line.send(Meet(self._port, prefix, COLLECTIVE))
        for met in [line.recv() for line in self._lines.values()]:
            if isinstance(met, Ran) and met.raised is not None:
                self.end()
                raise UsageError(f"the ranks cannot meet with gloo: {met.raised.text.strip().splitlines()[-1]}")

    def _answers(self, asks: Sequence[Ask]) -> Outcome:
        ran, died, still = dict[int, Ran](), dict[int, tuple[int, str]](), Stillness()
        for number, ask in enumerate(asks):
            self._lines[number].send(ask)
        left = dict(self._lines)
        deadline: float | None = None
        while left:
            pause = QUICK_LOOK if self.has_waited else LOOK
            ready = wait(list(left.values()), pause if deadline is None else LOOK_AFTER_AN_ERROR)
            for number in [number for number, line in left.items() if line in ready]:
                self._hear(number, left.pop(number), ran, died)
                failed = number in died or ran[number].raised is not None
                deadline = deadline or (time.monotonic() + AFTER_AN_ERROR if failed else None)
            are_still = not ready and still.all_still(self._pids[number] for number in left)
            if deadline is not None and (are_still or time.monotonic() > deadline):
                break
            if are_still:
                waiting = self._standing(left)
                if all(one.in_torch for one in waiting.values()):
                    return Outcome(ran, waiting)
        clashed = {number: told for number, (_, place) in died.items() if (told := self._clash(number, place))}
        return Outcome(ran, {}, {number: how for number, how in died.items() if number not in clashed}, clashed)

    def _hear(self, number: int, line: Any, ran: dict[int, Ran], died: dict[int, tuple[int, str]]) -> None:
        try:
            ran[number] = line.recv()
        except (EOFError, OSError):
            died[number] = (self._nursery.end(self._pids[number]), standing(self._stack(number)).told)

    def _clash(self, number: int, place: str) -> str:
        """Return what a rank was sent that gloo has ended for it, empty where it ended otherwise."""
        told = clash_in(file_of(self._nursery.folder, PRINTED, number, self._world))
        return f"{told}, in {place}" if told else ""

    def _standing(self, numbers: Iterable[int]) -> dict[int, Standing]:
        """Return where ranks stand, which write it down when they are asked."""
        asked = list(numbers)
        for number in asked:
            os.kill(self._pids[number], signal.SIGUSR1)
        time.sleep(DUMPING)
        return {number: standing(self._stack(number)) for number in asked}

    def _places(self) -> str:
        """Return in words where every rank stands now."""
        standing = self._standing(self._pids) if self._pids else {}
        return "; ".join(f"rank {number} is {'in ' * bool(one.function)}{one.told}" for number, one in standing.items())

    def _stack(self, number: int) -> Path:
        return file_of(self._nursery.folder, STACK, number, self._world)

    def end(self) -> None:
        """End all ranks; the next case begins with new ones."""
        for line in self._lines.values():
            line.close()
        for pid in self._pids.values():
            self._nursery.end(pid)
        self._pids.clear()
        self._lines.clear()
