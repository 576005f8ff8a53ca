"""``gdprops faults``: show for every deliberately wrong subject which clause catches it."""

from __future__ import annotations

import click

from gdprops.commands.options import (
    quiet_option,
)


@click.command()
@click.option("--examples", type=click.IntRange(min=1), default=100, show_default=True, metavar="N")
@click.option("--seeds", type=click.IntRange(min=1), default=5, show_default=True, metavar="N")
@quiet_option
def faults(examples: int, seeds: int, quiet: bool) -> int:
    """Show that every deliberately wrong subject is caught: which clause, after how many examples.

    \b
    Example: gdprops faults
    """
    from gdprops.report.consoles import show as show_page
    from gdprops.report.kill_matrix_table import matrix_summary, print_matrix, survived, watching
    from gdprops.runner.kill_matrix import kill_matrix

    with watching(quiet=quiet) as on_row:
        rows = kill_matrix(seeds=tuple(range(seeds)), examples=examples, on_row=on_row)
    if quiet:
        click.echo(matrix_summary(rows))
    else:
        show_page(lambda page: print_matrix(page, rows))
    return 1 if survived(rows) else 0
