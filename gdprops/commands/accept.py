"""``gdprops accept``: accept the present violations of a subject, so that only new ones fail from now on."""

from __future__ import annotations

import click

from gdprops.commands.options import (
    examples_option,
    profile_option,
    seed_option,
    settings_on,
    strict_option,
    subject_options,
    timeout_option,
    together,
)


@click.command()
@click.argument("subject")
@subject_options
@click.option("--reason", required=True, metavar="TEXT", help="Why the violations are accepted.")
@click.option(
    "--clauses", "patterns", multiple=True, metavar="PATTERN", help="Only these clauses, e.g. 'step.*'. Repeatable."
)
@together(examples_option, seed_option, profile_option, timeout_option, strict_option)
@click.option("-n", "workers", metavar="N|auto", help="Run on N processes, or one per core.")
def accept(
    subject: str,
    kind: str | None,
    rule: str | None,
    parameters: tuple[str, ...],
    reason: str,
    patterns: tuple[str, ...],
    workers: str | None,
    **chosen: object,
) -> int:
    """Accept the present violations: later runs replay them, and only new violations fail.

    Writes gdprops-accepted.json. If an accepted violation is gone, the run fails until its entry is removed.

    \b
    Example: gdprops accept mypkg.optim:MySGD -p lr=0.1 --reason 'momentum is applied twice, see #12'
    """
    from gdprops.commands.acceptance import accept as accept_failures
    from gdprops.commands.acceptance import told
    from gdprops.runner.request import RunRequest
    from gdprops.runner.run import require_workers

    require_workers(workers)
    clauses = patterns or ("*",)
    request = RunRequest(subject, settings_on(subject, clauses, chosen), kind, rule, parameters, clauses)
    result = accept_failures(request, reason, workers=workers)
    for line in told(result):
        click.echo(line)
    return 1 if result.refused else 0
