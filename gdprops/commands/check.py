"""``gdprops check``: check one subject or several, in processes of their own or in this one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from gdprops.commands.options import (
    examples_option,
    files_from,
    files_options,
    fresh_option,
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
    "--batches",
    metavar="FILE:NAME",
    help="With --as TRAINER: a function (index) -> batch, if the module has no loader.",
)
@click.option(
    "--clauses", "patterns", multiple=True, metavar="PATTERN", help="Only these clauses, e.g. 'step.*'. Repeatable."
)
@together(examples_option, seed_option, profile_option, timeout_option, strict_option)
@click.option(
    "-n",
    "workers",
    metavar="N|auto",
    help="Run the subject in N processes, or one per core, and not in one.",
)
@in_process_option
@click.option("-x", "--fail-fast", is_flag=True, default=None, help="Stop at the first violation.")
@together(shard_option, share_option, fresh_option)
@together(quiet_option, verbose_option, files_options)
def check(
    subjects: tuple[str, ...],
    kind: str | None,
    rule: str | None,
    parameters: tuple[str, ...],
    batches: str | None,
    patterns: tuple[str, ...],
    workers: str | None,
    in_process: bool,
    quiet: bool,
    verbose: int,
    **chosen: object,
) -> int:
    """Check each SUBJECT against the specification.

    SUBJECT is package.module:Name, path/to/file.py:name, or a name from [tool.gdprops.subjects] in pyproject.toml. It
    may also be a file or notebook as it stands (a network as a class, layers, functions), or a folder of them; several
    files get one row each (with -v also a report each).

    \b
    Example: gdprops check torch.optim:SGD -p lr=0.1 --rule sgd -n auto
             gdprops check mypkg.optim:MySGD -p lr=0.1 --clauses 'step.*' --examples 500
             gdprops check network.py
             gdprops check homework/ --csv grades.csv

    \b
    Two optimizers that take turns: gdprops check train.py:duo, where train.py says
             def build(model, objectives):  # step calls both optimizers, each after its objective's backward
                 return step, {"critic": critic, "actor": actor}
             duo = gdprops.training_step(build, models=Duo, batches=batch_of,
                                         phases=[("critic", critic_loss, 5), ("actor", actor_loss)])

    \b
    A trainer drives the module: -p for its arguments, --batches where the module has no loader
             gdprops check train.py:Net --as lightning --batches train.py:batch_of -p gradient_clip_val=0.5
             gdprops check train.py:make_trainer --as transformers
    """
    from gdprops.commands.check_one import report_run
    from gdprops.commands.folders import expanded, is_folder
    from gdprops.runner.request import RunRequest
    from gdprops.runner.run import require_workers, run

    require_workers(workers)
    several, subjects = len(subjects) > 1 or any(map(is_folder, subjects)), expanded(subjects)
    files, clauses = files_from(chosen), patterns or ("*",)
    parameters += () if batches is None else (f"batches={batches!r}",)

    def runner(subject: str) -> Callable[[Progress], Outcome]:
        def run_it(seen: Progress) -> Outcome:
            request = RunRequest(subject, settings_on(subject, clauses, chosen), kind, rule, parameters, clauses)
            return run(request, seen, workers=workers, contained=not in_process)

        return run_it

    runs = [(subject, runner(subject)) for subject in subjects]
    if not several:
        return report_run(runs[0][1], files, quiet=quiet, verbose=verbose)
    from gdprops.commands.check_several import report_several
    from gdprops.subjects.backprop import NAME
    from gdprops.subjects.user_code.source import is_whole_file

    return report_several(
        runs, files, quiet=quiet, verbose=verbose, briefly=kind in (None, NAME) and all(map(is_whole_file, subjects))
    )
