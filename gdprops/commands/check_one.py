"""A run on the command line: progress while it lasts, then the report, and the files that were asked for."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

import click

from gdprops.report import consoles
from gdprops.report.progress import progress
from gdprops.report.report_files import Files
from gdprops.report.terminal import print_outcome

if TYPE_CHECKING:
    from gdprops.model.verdict import Outcome
    from gdprops.report.progress import Progress

INTERRUPTED, TERMINATED = 130, 143
"""The exit codes after Ctrl-C and SIGTERM: 128 and the number of the signal."""


def report_run(
    run: Callable[[Progress], Outcome],
    files: Files,
    *,
    quiet: bool = False,
    verbose: bool = False,
    searched: bool = True,
) -> int:
    """Run, print and write what was found (after Ctrl-C or SIGTERM: so far), and return the exit code."""
    files.require()
    with terminable() as terminated, progress(consoles.console(stderr=True), quiet=quiet) as seen:
        outcome = run(seen)
    if seen.interrupted:
        click.echo("gdprops: interrupted; this is what was found so far", err=True)
    consoles.show(lambda page: print_outcome(page, outcome, quiet=quiet, verbose=verbose, searched=searched))
    files.write([outcome])
    if seen.interrupted:
        return TERMINATED if terminated else INTERRUPTED
    return outcome.exit_code


@contextmanager
def terminable() -> Iterator[list[int]]:
    """Let SIGTERM interrupt what runs inside as Ctrl-C does; the list that is yielded then is not empty."""
    received: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        received.append(number)
        raise KeyboardInterrupt

    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield received  # the program around us has its own way to end
        return
    signal.signal(signal.SIGTERM, interrupt)
    try:
        yield received
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
