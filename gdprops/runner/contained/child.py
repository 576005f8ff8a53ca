"""The supervised process: it makes the subject, runs the clauses that it is dealt, and sends every result at once.

Messages are lines of JSON, ``[what, value]``, through a pipe of their own: what the subject prints does not mix with
them. Everything that this file needs is imported and bound before the subject is: a subject may replace ``json.dumps``
or empty ``sys.modules``, and is told so.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from json import dumps, loads
from os import _exit, getpid, read, write
from pathlib import Path
from time import process_time
from traceback import format_exc
from typing import TYPE_CHECKING, Any, NoReturn, final

from gdprops.errors import UsageError
from gdprops.kinds import kind_of
from gdprops.model.json_form import verdict_to_dict
from gdprops.model.verdict import About
from gdprops.runner.contained.last_words import BOX, CRASH, PIPE_LOST
from gdprops.runner.project.accepted import require_matches
from gdprops.runner.request import from_json
from gdprops.runner.session import check_items, measured_subject
from gdprops.runner.shared_searches import family_name
from gdprops.subjects.user_code.black_box import RECORDER, BlackBox
from gdprops.subjects.user_code.isolation import isolated
from gdprops.subjects.user_code.process_changes import CHANGES

if TYPE_CHECKING:
    from types import FrameType

    from gdprops.model.item import Item
    from gdprops.model.subject import Subject
    from gdprops.model.verdict import Verdict

WITH_ITS_PARENT = 1
"""The option of Linux's ``prctl`` by which a process gets a signal when its parent has ended."""


@final
class Line:
    """The two pipes to the supervisor: a watcher that sends everything that it is told."""

    def __init__(self, sends: int, hears: int) -> None:
        self._sends, self._hears, self._process = sends, hears, getpid()

    def send(self, what: str, value: Any = None) -> None:
        """Send one message; a fork of the user's code sends nothing."""
        line = dumps([what, value]).encode() + b"\n"
        try:
            while line and getpid() == self._process:
                line = line[write(self._sends, line) :]
        except OSError:
            _exit(PIPE_LOST)

    def dealt(self, items: Sequence[Item]) -> Iterator[Item]:
        """Yield those of the items that the supervisor deals to this process, one after the other."""
        by_name = {(item.clause.id, item.about.value): item for item in items}
        while True:
            self.send("next")
            answer = b""
            while not answer.endswith(b"\n"):
                received = read(self._hears, 1 << 12)
                if not received:
                    return
                answer += received
            name = loads(answer)
            if name is None:
                return
            yield by_name[name[0], name[1]]

    def started(self, item: Item, total: int) -> None:
        """Send nothing: the supervisor has dealt the item."""

    def example(self, count: int) -> None:
        """Send how many examples of the item were examined."""
        self.send("example", count)

    def finished(self, verdict: Verdict) -> None:
        """Send a verdict."""
        self.send("verdict", verdict_to_dict(verdict))


def of_a_check() -> NoReturn:
    """Run the items of a check that are dealt to this process, and end at once.

    Nothing of the user's runs after the last message: no handler at exit, and no thread that does not end.
    """
    folder, line, _ = _begun()
    request = (folder.parent / "request.json").read_text(encoding="utf-8")
    _prepare_for_the_worst(folder)
    try:
        _run(request, line)
    except BaseException as error:
        told = CHANGES.told()
        ours = ("usage", str(error)) if isinstance(error, UsageError) else ("bug", format_exc())
        line.send(*("spoilt", told) if told else ours)
    _exit(0)


def of_a_command(main: Callable[[list[str]], int]) -> NoReturn:
    """Run a whole command, send its exit code, and end at once."""
    folder, line, arguments = _begun()
    _prepare_for_the_worst(folder)
    code = main(arguments)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):
            stream.flush()
    line.send("code", code)
    _exit(0)


def _begun() -> tuple[Path, Line, list[str]]:
    """Return the folder and the pipes that stand in the arguments, and what else does."""
    folder, sends, hears, *more = sys.argv[1:]
    sys.argv = ["gdprops"]
    return Path(folder), Line(int(sends), int(hears)), more


def _prepare_for_the_worst(folder: Path) -> None:
    """Note where this process ends, however it ends, and end it with its supervisor."""
    crash = (folder / CRASH).open("w")
    faulthandler.enable(crash)
    if hasattr(faulthandler, "register"):
        faulthandler.register(signal.SIGUSR1, crash, all_threads=True)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(WITH_ITS_PARENT, signal.SIGKILL)
    RECORDER.box = BlackBox(folder / BOX)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the supervisor decides what Ctrl-C means
    os._exit = _noting(crash.fileno(), getpid())  # type: ignore[assignment] # a stand-in of the same use
    CHANGES.begin()


def _noting(crash: int, process: int) -> Callable[[int], NoReturn]:
    """Return ``os._exit`` that writes down first from where it is called."""

    def noting(status: int) -> NoReturn:
        if getpid() == process:
            frame: FrameType | None = sys._getframe(1)
            lines = [f"os._exit({status!r})"]
            while frame is not None:
                lines.append(f'  File "{frame.f_code.co_filename}", line {frame.f_lineno} in {frame.f_code.co_name}')
                frame = frame.f_back
            write(crash, ("\n".join(lines) + "\n").encode("utf-8", "replace"))
        _exit(status)

    return noting


def _run(text: str, line: Line) -> None:
    request, cpu = from_json(text), process_time()
    subject = request.resolve()
    items = request.items(subject)
    if request.patterns == ("*",) and request.settings.shard is None:
        about_subject = [item.clause for item in items if item.about is About.SUBJECT]
        require_matches(request.settings.terms.accepted, subject, about_subject)
    told = [[i.clause.id, i.about.value, _family(subject, i)] for i in items]
    line.send("subject", [subject.name, subject.identity.key, told])
    with kind_of(subject).at_work():
        with isolated():
            measured = measured_subject(subject, request.settings)
        check_items(measured, items, request.settings, line, dealt=line.dealt(items))
    line.send("done", process_time() - cpu)


def _family(subject: Subject, item: Item) -> str:
    """Return the name of the family whose search an item shares; all about the reference are for one process."""
    return family_name(subject, item.clause) if item.about is About.SUBJECT else item.about.value
