"""``gdprops check``: check one subject or several, in this process or on several processes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from gdprops.commands.options import (
    examples_option,
    files_from,
    files_options,
    in_process_option,
    profile_option,
    quiet_option,
    seed_option,
    settings_on,
    shard_option,
    share_option,
    strict_option,
    subject_options,
    timeout_option,
    together,
    verbose_option,
)

if TYPE_CHECKING:
    from gdprops.model.outcome import Outcome
    from gdprops.report.progress import Progress


@click.command()
@click.argument("subjects", nargs=-1, required=True, metavar="SUBJECT…")
@subject_options
@click.option(
    "--clauses", "patterns", multiple=True, metavar="PATTERN", help="Only these clauses, e.g. 'step.*'. Repeatable."
)
@together(examples_option, seed_option, profile_option, timeout_option, strict_option)
@click.option(
    "-n",
    "workers",
    metavar="N|auto",
    help="Run on N processes, or one per core: the run survives a subject that ends its process.",
)
@in_process_option
@click.option("-x", "--fail-fast", is_flag=True, default=None, help="Stop at the first violation.")
@together(shard_option, share_option)
@together(quiet_option, verbose_option, files_options)
def check(
    subjects: tuple[str, ...],
    kind: str | None,
    rule: str | None,
    parameters: tuple[str, ...],
    patterns: tuple[str, ...],
    workers: str | None,
    in_process: bool,
    quiet: bool,
    verbose: bool,
    **chosen: object,
) -> int:
    """Check each SUBJECT against the specification.

    SUBJECT is package.module:Name, path/to/file.py:name, or a name from [tool.gdprops.subjects] in pyproject.toml. With
    --as backprop it may also be a file with the functions loss and step or gradients; several files get one row each
    (with -v also a report each).

    \b
    Example: gdprops check torch.optim:SGD -p lr=0.1 --rule sgd -n auto
             gdprops check mypkg.optim:MySGD -p lr=0.1 --clauses 'step.*' --examples 500
             gdprops check students/*.py --as backprop
    """
    from gdprops.commands.check_one import report_run
    from gdprops.runner.request import RunRequest
    from gdprops.runner.workers.run import require_workers, run

    require_workers(workers)
    files, clauses = files_from(chosen), patterns or ("*",)

    def runner(subject: str) -> Callable[[Progress], Outcome]:
        def run_it(seen: Progress) -> Outcome:
            request = RunRequest(subject, settings_on(subject, clauses, chosen), kind, rule, parameters, clauses)
            return run(request, seen, workers=workers, contained=not in_process)

        return run_it

    runs = [(subject, runner(subject)) for subject in subjects]
    if len(runs) == 1:
        return report_run(runs[0][1], files, quiet=quiet, verbose=verbose)
    from gdprops.commands.check_several import report_several
    from gdprops.subjects.backprop import NAME

    return report_several(runs, files, quiet=quiet, verbose=verbose, briefly=kind == NAME)
