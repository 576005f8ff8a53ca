"""The supervised process: it makes the subject, runs its clauses, and sends every result at once.

Messages are lines of JSON, ``[what, value]``, through a pipe of their own: what the subject prints does not mix with
them.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, final

from gdprops.errors import UsageError
from gdprops.runner.contained.last_words import BOX, CRASH
from gdprops.subjects.user_code.black_box import RECORDER, BlackBox

if TYPE_CHECKING:
    from types import FrameType

    from gdprops.model.item import Item
    from gdprops.model.verdict import Verdict


@final
class Sender:
    """A watcher that sends everything that it is told."""

    def __init__(self, pipe: int) -> None:
        self._pipe, self._process = pipe, os.getpid()

    def send(self, what: str, value: Any) -> None:
        """Send one message; a fork of the user's code sends nothing."""
        line = json.dumps([what, value]).encode() + b"\n"
        while line and os.getpid() == self._process:
            line = line[os.write(self._pipe, line) :]

    def started(self, item: Item, index: int, total: int) -> None:
        """Send which item begins."""
        self.send("started", [item.clause.id, item.about.value])

    def example(self, count: int) -> None:
        """Send how many examples of the item were examined."""
        self.send("example", count)

    def finished(self, verdict: Verdict) -> None:
        """Send a verdict."""
        from gdprops.model.json_form import verdict_to_dict

        self.send("verdict", verdict_to_dict(verdict))


def of_a_check() -> NoReturn:
    """Run the request of a check, without the items that have their verdicts already, and end at once.

    Nothing of the user's runs after the last message: no handler at exit, and no thread that does not end.
    """
    folder, sender, (text,) = _begun()
    request, done = (folder / "request.json").read_text(encoding="utf-8"), set(map(tuple, json.loads(text)))
    leave = _prepare_for_the_worst(folder)
    try:
        _run(request, done, sender)
    except UsageError as error:
        sender.send("usage", str(error))
    except BaseException:
        sender.send("bug", traceback.format_exc())
    leave(0)


def of_a_command(main: Callable[[list[str]], int]) -> NoReturn:
    """Run a whole command, send its exit code, and end at once."""
    folder, sender, arguments = _begun()
    leave = _prepare_for_the_worst(folder)
    code = main(arguments)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    sender.send("code", code)
    leave(0)


def _begun() -> tuple[Path, Sender, list[str]]:
    """Return the folder and the pipe that stand in the arguments, and what else does."""
    folder, pipe, *more = sys.argv[1:]
    sys.argv = ["gdprops"]
    return Path(folder), Sender(int(pipe)), more


def _prepare_for_the_worst(folder: Path) -> Callable[[int], NoReturn]:
    """Note where this process ends, however it ends; return how to end it without a note."""
    leave = os._exit
    crash = (folder / CRASH).open("w")
    faulthandler.enable(crash)
    if hasattr(faulthandler, "register"):
        faulthandler.register(signal.SIGUSR1, crash, all_threads=True)
    RECORDER.box = BlackBox(folder / BOX)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the supervisor decides what Ctrl-C means
    os._exit = _noting(leave, crash.fileno(), os.getpid())  # type: ignore[assignment] # a stand-in of the same use
    return leave


def _noting(leave: Callable[[int], NoReturn], crash: int, process: int) -> Callable[[int], NoReturn]:
    """Return ``os._exit`` that writes down first from where it is called."""

    def _exit(status: int) -> NoReturn:
        if os.getpid() == process:
            frame: FrameType | None = sys._getframe(1)
            lines = [f"os._exit({status!r})"]
            while frame is not None:
                lines.append(f'  File "{frame.f_code.co_filename}", line {frame.f_lineno} in {frame.f_code.co_name}')
                frame = frame.f_back
            os.write(crash, ("\n".join(lines) + "\n").encode("utf-8", "replace"))
        leave(status)

    return _exit


def _run(text: str, done: set[tuple[str, str]], sender: Sender) -> None:
    from gdprops.runner.project.accepted import require_matches
    from gdprops.runner.request import from_json
    from gdprops.runner.session import check_items, measured_subject
    from gdprops.subjects.user_code.isolation import isolated

    request = from_json(text)
    began, cpu = time.perf_counter(), time.process_time()
    subject = request.resolve()
    items = request.items(subject)
    if not done and request.patterns == ("*",) and request.settings.shard is None:
        require_matches(request.settings.terms.accepted, subject, [item.clause for item in items if _is_its(item)])
    sender.send("subject", [subject.name, [[item.clause.id, item.about.value] for item in items]])
    with isolated():
        measured = measured_subject(subject, request.settings)
    left = [item for item in items if (item.clause.id, item.about.value) not in done]
    check_items(measured, left, request.settings, sender)
    sender.send("done", [time.perf_counter() - began, time.process_time() - cpu])


def _is_its(item: Item) -> bool:
    from gdprops.model.verdict import About

    return item.about is About.SUBJECT
