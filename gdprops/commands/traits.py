"""``gdprops traits``: measure the traits of a subject, such as its response to the learning rate."""

from __future__ import annotations

import click

from gdprops.commands.options import (
    settings_from,
    subject_options,
)


@click.command()
@click.argument("subject")
@subject_options
@click.option("--toml", "as_toml", is_flag=True, help="Print the declaration for pyproject.toml.")
def traits(subject: str, kind: str | None, rule: str | None, parameters: tuple[str, ...], *, as_toml: bool) -> int:
    """Measure the traits of SUBJECT: separability, response to the learning rate, inputs and more.

    \b
    Example: gdprops traits torch.optim:Adam -p lr=0.001
             gdprops traits torch.optim:Adam --toml >> pyproject.toml
    """
    from gdprops.kinds import kind_of
    from gdprops.report.consoles import show as show_page
    from gdprops.report.trait_table import print_traits, toml
    from gdprops.runner.request import RunRequest
    from gdprops.subjects.user_code.isolation import isolated

    examined = RunRequest(subject, settings_from({}), kind, rule, parameters).resolve()
    with isolated():
        measured = kind_of(examined).traits(examined)
    if as_toml:
        click.echo(toml(measured, subject=subject))
    else:
        show_page(lambda page: print_traits(page, measured, subject=examined.name, rule=examined.rule))
    return 1 if measured.conflicts else 0
