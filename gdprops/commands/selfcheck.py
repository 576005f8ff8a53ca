"""``gdprops selfcheck``: check the reference itself, with the clauses that apply to it."""

from __future__ import annotations

import click

from gdprops.commands.options import (
    examples_option,
    files_from,
    files_options,
    profile_option,
    quiet_option,
    seed_option,
    settings_from,
    together,
)


@click.command()
@together(examples_option, seed_option, profile_option, quiet_option, files_options)
def selfcheck(quiet: bool, **chosen: object) -> int:
    """Check the reference on which gdprops relies: autograd, NumPy and rational arithmetic.

    \b
    Example: gdprops selfcheck
    """
    from gdprops.commands.check_one import report_run
    from gdprops.runner.run import run_selfcheck

    files, settings = files_from(chosen), settings_from(chosen)
    return report_run(lambda seen: run_selfcheck(settings, seen), files, quiet=quiet)
