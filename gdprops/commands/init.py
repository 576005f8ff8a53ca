"""``gdprops init``: write the configuration and the test file with which a project checks a subject."""

from __future__ import annotations

import click

from gdprops.commands.options import (
    settings_from,
    subject_options,
)


@click.command()
@click.argument("subject")
@subject_options
def init(subject: str, kind: str | None, rule: str | None, parameters: tuple[str, ...]) -> int:
    """Write [tool.gdprops] for SUBJECT into pyproject.toml, and a test file. Nothing is overwritten.

    \b
    Example: gdprops init mypkg.optim:MySGD -p lr=0.1
    """
    from pathlib import Path

    from gdprops.runner.project.initialize import initialize
    from gdprops.runner.request import RunRequest, hyperparameters

    RunRequest(subject, settings_from({}), kind, rule, parameters).resolve()
    given = hyperparameters(parameters)
    project, test = initialize(Path.cwd(), subject, kind=kind, rule=rule, parameters=given)
    click.echo(f"{project.name}: [tool.gdprops] written; pytest --gdprops runs it.")
    click.echo(f"{test.relative_to(Path.cwd())}: written; pytest runs it.")
    return 0
