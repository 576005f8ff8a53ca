"""The supervisor: it runs a subject in a process of its own, and ends that process where it hangs.

A call of the subject that used up its time is interrupted in the process itself, gently, by an alarm. Native code
that hangs hears no alarm, and a subject may switch it off: two seconds later the process is ended from here. A clause
whose process ended gets the verdict ``aborted``; the clauses after it are run in a new process.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, TYPE_CHECKING, Any, final

from gdprops.clauses import catalogue
from gdprops.errors import UsageError
from gdprops.model import exit_codes
from gdprops.model.item import Item
from gdprops.model.json_form import verdict_from_dict
from gdprops.model.verdict import About, Status, Verdict, unexamined
from gdprops.runner.conclude import conclude
from gdprops.runner.contained.last_words import BOX, CRASH, PRINTED, how_it_ended, last_words
from gdprops.runner.primary_violation import GENERAL
from gdprops.subjects.user_code.black_box import BlackBox

if TYPE_CHECKING:
    from gdprops.model.outcome import Outcome
    from gdprops.runner.request import RunRequest
    from gdprops.runner.watcher import Keeper

GRACE = 2.0
"""Seconds after the limit until a process that did not stop by itself is ended."""
LOOK = 0.1
"""Seconds between two looks at the limits."""
DUMPING = 0.3
"""Seconds in which a hanging process may write down where it hangs."""
MOST_DEATHS = 4
"""If this many processes end and no clause finishes in between, the remaining clauses are not run."""
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""These variables are set to 1: every process computes with one thread."""
LONGEST_PRINTED = 4000
ROOT = str(Path(__file__).parents[3])
"""Where the package lies: this interpreter may have found it by its working folder."""


def run_contained(request: RunRequest, seen: Keeper) -> Outcome:
    """Return the outcome of a request that is run in a process of its own.

    Raises `UsageError` where the subject cannot be used. On `KeyboardInterrupt` the outcome has the finished items, and
    ``seen.interrupted`` is set.
    """
    began = time.perf_counter()
    with TemporaryDirectory(prefix="gdprops-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (folder / "request.json").write_text(request.to_json(), encoding="utf-8")
        run = _Run(request, folder, seen)
        try:
            run.to_the_end()
        except KeyboardInterrupt:
            seen.interrupted = True
        seen.printed = _tail(folder / PRINTED)
        timing = {"seconds": time.perf_counter() - began, "cpu_seconds": run.cpu}
        return conclude(run.subject, request.settings, seen.verdicts, timing, interrupted=seen.interrupted)


def _tail(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - LONGEST_PRINTED))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""


def run_command(entry: str, arguments: Sequence[str]) -> int:
    """Run a whole ``gdprops`` command in a process of its own, on this terminal, and return its exit code.

    ``entry`` is the ``module:function`` that calls `gdprops.runner.contained.child.of_a_command` there.
    For commands that give no verdicts clause by clause.
    """
    with TemporaryDirectory(prefix="gdprops-", ignore_cleanup_errors=True) as name:
        folder, code = Path(name), None
        box = BlackBox.made_at(folder / BOX)
        (folder / CRASH).write_text("")
        with _process(entry, folder, arguments, None) as (process, pipe):
            for line in _lines(pipe):
                if line is not None:
                    code = int(json.loads(line)[1])
                elif process.poll() is not None:
                    break
                elif _is_overdue(box):
                    _kill(process)
            ended = _ended(process)
        if code is not None:
            return code
        told = last_words(folder, box).told(how_it_ended(ended))
        print(f"gdprops: {told}", file=sys.stderr)
        return exit_codes.VIOLATED


@final
class _Run:
    """One request, and the processes that it takes, one after the other."""

    def __init__(self, request: RunRequest, folder: Path, seen: Keeper) -> None:
        self._request, self._folder, self._seen = request, folder, seen
        self._items: list[tuple[str, str]] = []
        self._done: set[tuple[str, str]] = set()
        self._current: tuple[str, str] | None = None
        self._finished, self._deaths = False, 0
        self.subject, self.cpu = request.subject, 0.0

    def to_the_end(self) -> None:
        """Start processes until every item has a verdict, or too many have died."""
        while not self._finished:
            told = self._of_one_process()
            if self._finished:
                return
            self._deaths += 1
            in_a_clause = self._current is not None
            self._aborted(told)
            if self._stops() or (self._items and set(self._items) <= self._done):
                return
            if self._deaths >= MOST_DEATHS or not in_a_clause:
                self._give_up(told)
                return

    def _of_one_process(self) -> str:
        """Run one process to its end, and return how it ended where it did not say ``done``."""
        box = BlackBox.made_at(self._folder / BOX)
        (self._folder / CRASH).write_text("")
        killed = False
        with (
            (self._folder / PRINTED).open("ab") as printed,
            _process(
                "gdprops.runner.contained.child:of_a_check", self._folder, [json.dumps(sorted(self._done))], printed
            ) as (process, pipe),
        ):
            for line in _lines(pipe):
                if line is not None:
                    self._hear(*json.loads(line))
                elif killed or process.poll() is not None:
                    break  # it has ended, and a process that it started still holds the pipe
                elif _is_overdue(box):
                    killed = True
                    _kill(process)
            code = process.wait() if self._finished else _ended(process)
        words = last_words(self._folder, box)
        if killed:
            return f"the subject hangs{_in(words.running.doing)}{f', at {words.where}' if words.where else ''}"
        return words.told(how_it_ended(code))

    def _hear(self, what: str, value: Any) -> None:
        if what == "subject":
            self.subject, self._items = value[0], [(clause, about) for clause, about in value[1]]
        elif what == "started":
            self._current = (value[0], value[1])
            self._seen.started(_item(*self._current), len(self._done), len(self._items))
        elif what == "example":
            self._seen.example(value)
        elif what == "verdict":
            self._keep(verdict_from_dict(value))
            self._deaths = 0
        elif what == "done":
            self._finished, self.cpu = True, value[1]
        elif what == "usage":
            raise UsageError(value)
        elif what == "bug":
            raise RuntimeError(value)

    def _keep(self, verdict: Verdict) -> None:
        self._done.add((verdict.clause, verdict.about.value))
        self._current = None
        self._seen.finished(verdict)

    def _aborted(self, told: str) -> None:
        """Note the verdict of the item that ran when a process ended."""
        clause, about = self._current or (GENERAL, About.SUBJECT.value)
        if self._current is not None or not self._items:
            self._keep(unexamined(catalogue()[clause], About(about), Status.ABORTED, told))

    def _stops(self) -> bool:
        return bool(self._request.settings.fail_fast) and any(verdict.failed for verdict in self._seen.verdicts)

    def _give_up(self, told: str) -> None:
        """Tell once that the subject ends its process whatever is checked; what was not run about it does not apply."""
        left = [clause for clause, about in self._items if about == About.SUBJECT and (clause, about) not in self._done]
        said_of = next((clause for clause in (GENERAL, *left) if clause in left), "")
        for clause in left:
            status = Status.ABORTED if clause == said_of else Status.NOT_APPLICABLE
            reason = told if clause == said_of else f"not examined: {told}"
            self._keep(unexamined(catalogue()[clause], About.SUBJECT, status, reason))


def _item(clause: str, about: str) -> Item:
    return Item(catalogue()[clause], About(about))


def _in(doing: str) -> str:
    return f" in {doing}" if doing else ""


@contextlib.contextmanager
def _process(
    entry: str, folder: Path, arguments: Sequence[str], printed: IO[bytes] | None
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Yield a running process and the pipe that it sends to; in the end nothing of it is left.

    ``entry`` is the ``module:function`` that it runs; ``printed`` is where it prints, None for here.
    """
    reading, writing = os.pipe()
    module, _, function = entry.partition(":")
    code = f"import sys; sys.path.append({ROOT!r}); from {module} import {function}; {function}()"
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", code, str(folder), str(writing), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=printed,
        stderr=printed,
        pass_fds=(writing,),
        start_new_session=True,
        env={**dict.fromkeys(THREADS, "1"), **os.environ},
    )
    os.close(writing)
    try:
        yield process, reading
    finally:
        _kill_group(process)
        os.close(reading)


def _lines(pipe: int) -> Iterator[bytes | None]:
    """Yield every line that arrives, and None whenever nothing does for a moment; end where the pipe is closed."""
    left = b""
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while True:
            if not selector.select(LOOK):
                yield None
                continue
            received = os.read(pipe, 1 << 16)
            if not received:
                return
            *lines, left = (left + received).split(b"\n")
            yield from lines


def _is_overdue(box: BlackBox) -> bool:
    until = box.running.until
    return 0 < until < time.monotonic() - GRACE


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Ask a process to write down where it hangs, then end it."""
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGUSR1)
        time.sleep(DUMPING)
    _kill_group(process)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _ended(process: subprocess.Popen[bytes]) -> int:
    """Return the exit code of a process that has closed its pipe: it ends within a moment, or is ended."""
    try:
        return process.wait(GRACE)
    except subprocess.TimeoutExpired:
        _kill_group(process)
        return process.wait()
