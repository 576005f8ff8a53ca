"""Run several subjects for the command line: print a report or a row for each, and return the worst exit code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from gdprops.commands.check_one import with_files
from gdprops.errors import UsageError
from gdprops.model import exit_codes
from gdprops.model.outcome import Outcome
from gdprops.model.wording import on_one_line
from gdprops.report import consoles
from gdprops.report.progress import progress
from gdprops.report.subjects_table import print_rows
from gdprops.report.terminal import print_outcome
from gdprops.runner.signals import terminable

if TYPE_CHECKING:
    from rich.console import Console

    from gdprops.report.progress import Progress
    from gdprops.report.report_files import Files

Run = Callable[["Progress"], Outcome]


def report_several(
    runs: Sequence[tuple[str, Run]],
    files: Files,
    *,
    quiet: bool = False,
    verbose: int = 0,
    briefly: bool = False,
) -> int:
    """Run one subject after the other, print and write what was found, and return the worst exit code.

    ``briefly``: print only the rows, unless ``verbose`` is given; ``quiet``: print only the rows.
    """
    files.require()
    outcomes = list[Outcome]()
    with terminable() as terminated:
        for name, run in runs:
            found = _outcome(name, run, quiet=quiet)
            outcomes.append(replace(found, terminated=found.interrupted and bool(terminated)))
            if not quiet and not outcomes[-1].refused and (verbose or not briefly):
                _show_report(outcomes[-1], verbose=verbose)
            if not outcomes[-1].complete:
                click.echo("gdprops: interrupted; this is what was found so far", err=True)
                break
    consoles.show(lambda page: print_rows(page, outcomes, briefly=not verbose and (briefly or quiet)))
    return with_files(exit_codes.worst(outcome.exit_code for outcome in outcomes), files.write(outcomes))


def _outcome(name: str, run: Run, *, quiet: bool) -> Outcome:
    """Run one subject; if it cannot be found or built, the outcome says so."""
    with progress(consoles.console(stderr=True), quiet=quiet) as seen:
        try:
            return run(seen)
        except UsageError as error:
            said = on_one_line(error)
            return Outcome(name, None, "", (), refused=said.removeprefix(f"{name}:").removeprefix(name).strip())
        except SystemExit as error:
            return Outcome(name, None, "", (), refused=f"it ended the process with SystemExit({error.code!r})")
        except KeyboardInterrupt:
            return Outcome(name, None, "", (), refused="interrupted", complete=False, interrupted=True)


def _show_report(outcome: Outcome, *, verbose: int) -> None:
    def draw(page: Console) -> None:
        print_outcome(page, outcome, verbose=verbose)
        page.print()

    consoles.show(draw)
