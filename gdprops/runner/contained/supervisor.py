"""The supervisor: it runs a subject in processes of its own, and ends a process where it hangs.

A call of the subject that used up its time is interrupted in the process itself, gently, by an alarm. Native code
that hangs hears no alarm, and a subject may switch it off: two seconds later the process is ended from here. A clause
whose process ended gets the verdict ``aborted``; the clauses after it are run in a new process.

The clauses are dealt one by one, so several processes share them as they come (``-n N``); those that share a search go
to one process.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
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
from gdprops.runner.contained.last_words import PRINTED
from gdprops.runner.contained.process import Process, looked_at
from gdprops.runner.primary_violation import GENERAL

if TYPE_CHECKING:
    from gdprops.model.outcome import Outcome
    from gdprops.runner.request import RunRequest
    from gdprops.runner.watcher import Keeper

MOST_DEATHS = 4
"""If this many processes end and no clause finishes in between, the remaining clauses are not run."""
LONGEST_PRINTED = 4000


def run_contained(request: RunRequest, seen: Keeper, *, workers: int = 1) -> Outcome:
    """Return the outcome of a request that is run in a process of its own, or in several.

    Raises `UsageError` where the subject cannot be used. On `KeyboardInterrupt` the outcome has the finished items, and
    ``seen.interrupted`` is set.
    """
    began = time.perf_counter()
    with TemporaryDirectory(prefix="gdprops-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        run = _Run(request, folder, seen, workers)
        try:
            run.to_the_end()
        except KeyboardInterrupt:
            seen.interrupted = True
        seen.printed = _tail(folder / PRINTED)
        timing = {"seconds": time.perf_counter() - began, "cpu_seconds": run.cpu}
        return conclude(
            run.subject,
            request.settings,
            seen.verdicts,
            timing,
            interrupted=seen.interrupted,
            identity=run.identity,
        )


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
        process, code = Process(entry, Path(name), arguments), None
        try:
            while True:
                ((_, ready),) = looked_at([process])
                messages = process.heard() if ready else []
                if messages is None or (not ready and process.is_over()):
                    break
                for _, value in messages:
                    code = int(value)
            told = "" if code is not None else process.told()
        finally:
            process.close()
        if code is not None:
            return code
        print(f"gdprops: {told}", file=sys.stderr)
        return exit_codes.VIOLATED


@final
class _Run:
    """One request, the processes that run it, and the items that are still to be dealt to them."""

    def __init__(self, request: RunRequest, folder: Path, seen: Keeper, workers: int) -> None:
        self._request, self._folder, self._seen, self._workers = request, folder, seen, workers
        self._items: list[tuple[str, str]] | None = None
        self._family, self._left = dict[tuple[str, str], str](), list[tuple[str, str]]()
        self._running: list[Process] = []
        self._started, self._deaths = 0, 0
        self.subject, self.identity, self.cpu = request.subject, "", 0.0

    def to_the_end(self) -> None:
        """Let the processes run until every item has a verdict, or too many of them have died."""
        (self._folder / "request.json").write_text(self._request.to_json(), encoding="utf-8")
        with (self._folder / PRINTED).open("ab") as printed:
            try:
                for _ in range(self._workers):
                    self._start(printed)
                while self._running:
                    for process, ready in looked_at(self._running):
                        self._attend(process, ready, printed)
            finally:
                for process in self._running:
                    process.close()

    def _start(self, printed: IO[bytes]) -> None:
        folder = self._folder / str(self._started)
        self._started += 1
        self._running.append(Process("gdprops.runner.contained.child:of_a_check", folder, printed=printed))

    def _attend(self, process: Process, ready: bool, printed: IO[bytes]) -> None:
        if process not in self._running:
            return
        messages = process.heard() if ready else []
        if messages is None or (not ready and process.is_over()):
            self._running.remove(process)
            told = "" if process.is_done else process.told()
            process.close()
            if told:
                self._died(process, told, printed)
            return
        for what, value in messages:
            self._hear(process, what, value)

    def _hear(self, process: Process, what: str, value: Any) -> None:
        if what == "subject":
            self.subject, self.identity, items = value
            if self._items is None:
                self._family = {(clause, about): family for clause, about, family in items}
                self._items = list(self._family)
                self._left = list(self._items)
        elif what == "next":
            process.current = self._dealt(process)
            process.tell(process.current)
            if process.current:
                about = [about for _, about in self._items or ()]
                self._seen.started(_item(*process.current), about.count(process.current[1]))
        elif what == "example":
            self._seen.example(value)
        elif what == "verdict":
            self._deaths, process.current = 0, None
            self._keep(verdict_from_dict(value))
        elif what == "done":
            process.is_done = True
            self.cpu += value
        elif what == "spoilt":
            self._give_up(value)
        elif what == "usage":
            raise UsageError(value)
        elif what == "bug":
            raise RuntimeError(value)

    def _dealt(self, process: Process) -> tuple[str, str] | None:
        """Return the next item for a process: of the family that it is at, else of one that no other process is at."""
        taken = {other.family for other in self._running if other is not process}
        own = [item for item in self._left if self._family[item] == process.family]
        free = [item for item in self._left if self._family[item] not in taken]
        found = next(iter((*own, *free, *self._left)), None)
        if found is not None:
            self._left.remove(found)
            process.family = self._family[found]
        return found

    def _keep(self, verdict: Verdict) -> None:
        self._seen.finished(verdict)
        if self._request.settings.fail_fast and verdict.failed:
            self._left.clear()

    def _died(self, process: Process, told: str, printed: IO[bytes]) -> None:
        """Note what the process was doing when it died; another one takes its place, unless that is useless."""
        self._deaths += 1
        if process.current is None or self._items is None:
            self._give_up(told)
            return
        self._keep(_unexamined(*process.current, Status.ABORTED, told))
        if self._deaths >= MOST_DEATHS:
            self._give_up(told, was_told=True)
        elif self._left:
            self._start(printed)

    def _give_up(self, told: str, *, was_told: bool = False) -> None:
        """Tell once that the subject ends its process whatever is checked; what was not run about it does not apply."""
        for process in self._running:
            process.close()
        begun = [process.current for process in self._running if process.current]
        self._running.clear()
        undone = [*begun, *self._left] if self._items is not None else [(GENERAL, About.SUBJECT.value)]
        self._left.clear()
        left = [clause for clause, about in undone if about == About.SUBJECT]
        said_of = next((clause for clause in (GENERAL, *left) if clause in left), "")
        for clause in left:
            tells = clause == said_of and not was_told
            status, reason = (Status.ABORTED, told) if tells else (Status.NOT_APPLICABLE, f"not examined: {told}")
            self._keep(_unexamined(clause, About.SUBJECT.value, status, reason))


def _item(clause: str, about: str) -> Item:
    return Item(catalogue()[clause], About(about))


def _unexamined(clause: str, about: str, status: Status, reason: str) -> Verdict:
    return unexamined(catalogue()[clause], About(about), status, reason)
