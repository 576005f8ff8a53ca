"""Run one subject for the command line: show progress, then print the report and write the files."""

from __future__ import annotations

from collections.abc import Callable
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
    verbose: bool = False,
    searched: bool = True,
) -> int:
    """Run a subject, print and write the report, and return the exit code.

    After Ctrl-C or SIGTERM, the report contains what was found so far. ``searched=False`` is the replay of one case.
    """
    files.require()
    with terminable() as terminated, progress(consoles.console(stderr=True), quiet=quiet) as seen:
        outcome = run(seen)
    if seen.interrupted:
        click.echo("gdprops: interrupted; this is what was found so far", err=True)
    consoles.show(lambda page: print_outcome(page, outcome, quiet=quiet, verbose=verbose, searched=searched))
    if outcome.exit_code and seen.printed:
        click.echo(f"what the subject printed, its end:\n{seen.printed}", err=True)
    files.write([outcome])
    if seen.interrupted:
        return exit_codes.TERMINATED if terminated else exit_codes.INTERRUPTED
    return outcome.exit_code
