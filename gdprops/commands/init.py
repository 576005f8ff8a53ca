"""``gdprops init``: write the configuration and the test file with which a project checks a subject."""

from __future__ import annotations

import click

from gdprops.commands.options import (
    settings_from,
    subject_options,
)


@click.command()
@click.argument("subject", required=False)
@subject_options
@click.option("--github", is_flag=True, help="Write workflows that check the subjects of pyproject.toml.")
@click.option("--tox", is_flag=True, help="Add the environment gdprops to tox.ini.")
@click.option("--pre-commit", is_flag=True, help="Write a pre-commit hook that checks them.")
def init(
    subject: str | None,
    kind: str | None,
    rule: str | None,
    parameters: tuple[str, ...],
    github: bool,
    tox: bool,
    pre_commit: bool,
) -> int:
    """Write [tool.gdprops] for SUBJECT into pyproject.toml, and a test file. Nothing is overwritten.

    \b
    Example: gdprops init mypkg.optim:MySGD -p lr=0.1
             gdprops init --github
             gdprops init --tox --pre-commit
    """
    from pathlib import Path

    from gdprops.errors import UsageError
    from gdprops.runner.project.tool_files import write_tool_files

    if subject is None and not (github or tox or pre_commit):
        raise UsageError("init takes a subject, or --github, --tox or --pre-commit")
    if subject is not None:
        _configured(subject, kind, rule, parameters)
    for path in write_tool_files(Path.cwd(), github=github, tox=tox, pre_commit=pre_commit):
        click.echo(f"{path.relative_to(Path.cwd())}: written.")
    return 0


def _configured(subject: str, kind: str | None, rule: str | None, parameters: tuple[str, ...]) -> None:
    """Write the section and the test file of a subject."""
    from pathlib import Path

    from gdprops.runner.project.initialize import initialize
    from gdprops.runner.request import RunRequest, hyperparameters

    RunRequest(subject, settings_from({}), kind, rule, parameters).resolve()
    given = hyperparameters(parameters)
    project, test = initialize(Path.cwd(), subject, kind=kind, rule=rule, parameters=given)
    click.echo(f"{project.name}: [tool.gdprops] written; pytest --gdprops runs it.")
    click.echo(f"{test.relative_to(Path.cwd())}: written; pytest runs it.")
