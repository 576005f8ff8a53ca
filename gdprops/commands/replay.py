"""``gdprops replay``: run one saved counterexample again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gdprops.commands.options import (
    files_from,
    files_options,
    settings_from,
    subject_options,
    timeout_option,
    together,
)

if TYPE_CHECKING:
    from gdprops.model.outcome import Outcome
    from gdprops.report.progress import Progress


@click.command()
@click.argument("file")
@click.argument("subject")
@subject_options
@together(timeout_option, files_options)
def replay(
    file: str,
    subject: str,
    kind: str | None,
    rule: str | None,
    parameters: tuple[str, ...],
    **chosen: object,
) -> int:
    """Run exactly the case saved in FILE again on SUBJECT, without any search.

    \b
    Example: gdprops replay .gdprops/CASE.json mypkg.optim:MySGD -p lr=0.1
    """
    from gdprops.commands.check_one import report_run
    from gdprops.runner.request import RunRequest

    files = files_from(chosen)
    request = RunRequest(subject, settings_from(chosen), kind, rule, parameters)

    def run(seen: Progress) -> Outcome:
        from gdprops.runner.replay import replay as replay_case

        return replay_case(file, request.resolve(), request.settings)

    return report_run(run, files, searched=False)
