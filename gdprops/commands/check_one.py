"""Run one subject for the command line: show progress, then print the report and write the files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from gdprops.model import exit_codes
from gdprops.report import consoles
from gdprops.report.progress import progress
from gdprops.report.report_files import Files
from gdprops.report.terminal import print_outcome
from gdprops.runner.signals import terminable

if TYPE_CHECKING:
    from gdprops.model.outcome import Outcome
    from gdprops.report.progress import Progress


def report_run(
    run: Callable[[Progress], Outcome],
    files: Files,
    *,
    quiet: bool = False,
    verbose: int = 0,
    searched: bool = True,
) -> int:
    """Run a subject, print and write the report, and return the exit code.

    After Ctrl-C or SIGTERM, the report contains what was found so far. ``searched=False`` is the replay of one case.
    """
    files.require()
    with terminable() as terminated, progress(consoles.console(stderr=True), quiet=quiet) as seen:
        outcome = run(seen)
    outcome = replace(outcome, terminated=outcome.interrupted and bool(terminated))
    if seen.interrupted:
        click.echo("gdprops: interrupted; this is what was found so far", err=True)
    consoles.show(lambda page: print_outcome(page, outcome, quiet=quiet, verbose=verbose, searched=searched))
    if outcome.exit_code and seen.printed:
        click.echo(f"what the subject printed, its end:\n{seen.printed}", err=True)
    return with_files(outcome.exit_code, files.write([outcome]))


def with_files(code: int, written: bool) -> int:
    """Return the exit code of a run: where a report could not be written, it is no success."""
    return code if written else exit_codes.worst((code, exit_codes.UNUSABLE))
