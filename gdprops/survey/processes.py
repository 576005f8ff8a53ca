"""Examine many optimizers, each in its own process, several processes at a time.

A process that takes too long is killed; one that dies leaves an entry with the verdicts found so far and the cause.
"""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any, final

from gdprops.model.json_form import verdict_from_dict
from gdprops.model.verdict import About, Status, Verdict, unexamined
from gdprops.runner.conclude import conclude
from gdprops.survey.examination import examine
from gdprops.survey.survey_data import Entry, Job

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

    from gdprops.runner.settings import Settings

PATIENCE = 0.5
"""How many seconds pass at most until the time limits are checked again."""

LOADED = (
    "gdprops.survey.examination",
    "gdprops.clauses.support.workbench",
    "gdprops.subjects.probe.measure",
    "gdprops.subjects.subject_system",
    "torch",
    "torch._dynamo",
)
"""What the fork server imports, so that no optimizer's process has to: every optimizer of torch imports dynamo when it
is first built, which takes almost as long as importing torch."""

Seen = Callable[[str, str], None]
"""A function that is called with the key of an optimizer and the clause that begins on it."""


@final
@dataclass(frozen=True, slots=True)
class Limits:
    """What one optimizer may use: seconds of wall time, and gigabytes of memory."""

    seconds: float = 600.0
    gigabytes: float = 4.0


@final
@dataclass(slots=True)
class Examination:
    """A running process and what it has sent so far."""

    job: Job
    process: BaseProcess
    channel: Connection
    began: float = field(default_factory=time.monotonic)
    told: dict[str, Any] = field(default_factory=dict)
    verdicts: list[Verdict] = field(default_factory=list)
    current: str = ""

    def listen(self, seen: Seen) -> bool:
        """Receive one message; return False if the process has closed its channel."""
        try:
            what, value = self.channel.recv()
        except (EOFError, OSError):
            return False
        if what == "started":
            self.current = value
            seen(self.job.key, value)
        elif what == "verdict":
            self.verdicts.append(verdict_from_dict(value))
            self.current = ""
        else:
            self.told[what] = value
        return True

    def entry(self, settings: Settings, stopped: str = "") -> Entry:
        """Return the entry of the optimizer after its process has ended; ``stopped`` says why it was killed."""
        self.process.join()
        aborted = stopped or self._death()
        if aborted and self.current:
            self.verdicts.append(_aborted(self.current, aborted))
        seconds = {"seconds": time.monotonic() - self.began, "cpu_seconds": self.told.get("cpu", 0.0)}
        name = self.told.get("subject", self.job.key)
        outcome = conclude(name, settings, self.verdicts, seconds)
        return Entry(self.job.key, outcome, self.told.get("traits", {}), self.told.get("unusable", ""), aborted)

    def _death(self) -> str:
        if "cpu" in self.told or "unusable" in self.told:
            return ""
        return f"its process ended early: {_cause(self.process.exitcode or 0)}"

    def kill(self) -> None:
        """End the process at once."""
        self.process.kill()
        self.process.join()
        self.channel.close()


def _cause(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def _aborted(clause_id: str, reason: str) -> Verdict:
    from gdprops.clauses import catalogue

    return unexamined(catalogue()[clause_id], About.SUBJECT, Status.ABORTED, reason)


def examine_all(
    jobs: Sequence[Job], settings: Settings, *, workers: int, limits: Limits, seen: Seen
) -> Iterator[Entry]:
    """Yield an entry for every job as soon as it finishes.

    At most ``workers`` processes run at a time. If the generator is closed early, the running processes are killed.
    """
    context, waiting, running = _context(), deque(jobs), dict[Connection, Examination]()
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                begun = _start(context, waiting.popleft(), settings, limits)
                running[begun.channel] = begun
            yield from _finished(running, settings, limits, seen)
    finally:
        for left in running.values():
            left.kill()


def _finished(
    running: dict[Connection, Examination], settings: Settings, limits: Limits, seen: Seen
) -> Iterator[Entry]:
    for channel in wait(list(running), timeout=PATIENCE):
        if isinstance(channel, Connection) and not running[channel].listen(seen):
            yield running.pop(channel).entry(settings)
    for channel, late in list(running.items()):
        if time.monotonic() - late.began > limits.seconds:
            late.kill()
            del running[channel]
            yield late.entry(settings, f"its process used more than {limits.seconds:g} s (--time raises the limit)")


def _context() -> Any:
    """Return the context that starts processes: a fork server with everything loaded, if the platform has one."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(LOADED))
    return context


def _start(context: Any, job: Job, settings: Settings, limits: Limits) -> Examination:
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=examine, args=(job, settings, limits.gigabytes, sending), daemon=True)
    process.start()
    sending.close()
    return Examination(job, process, receiving)
