"""A run on the command line: progress while it lasts, then the report, and a file where one is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from gdprops.report import consoles
from gdprops.report.json_file import ensure_writable, write_json
from gdprops.report.progress import progress
from gdprops.report.text import print_outcome

if TYPE_CHECKING:
    from gdprops.model.verdict import Outcome
    from gdprops.report.progress import Progress

INTERRUPTED = 130
"""The exit code after Ctrl-C: 128 and the number of the signal."""


def report_run(
    run: Callable[[Progress], Outcome],
    json_path: str | None,
    *,
    quiet: bool = False,
    verbose: bool = False,
    searched: bool = True,
) -> int:
    """Run, print what was found (on Ctrl-C: so far), and return the exit code."""
    if json_path:
        ensure_writable(json_path)
    with progress(consoles.console(stderr=True), quiet=quiet) as seen:
        outcome = run(seen)
    if seen.interrupted:
        click.echo("gdprops: interrupted; this is what was found so far", err=True)
    consoles.show(lambda page: print_outcome(page, outcome, quiet=quiet, verbose=verbose, searched=searched))
    if json_path:
        write_json(json_path, outcome)
    return INTERRUPTED if seen.interrupted else outcome.exit_code
