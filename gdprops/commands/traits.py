"""``gdprops traits``: measure the traits of a subject, such as its response to the learning rate."""

from __future__ import annotations

import click

from gdprops.commands.options import settings_from, subject_options, timeout_option
from gdprops.errors import SubjectStopped
from gdprops.model import exit_codes


@click.command()
@click.argument("subject")
@subject_options
@timeout_option
@click.option("--toml", "as_toml", is_flag=True, help="Print the declaration for pyproject.toml.")
def traits(
    subject: str,
    kind: str | None,
    rule: str | None,
    parameters: tuple[str, ...],
    *,
    timeout: float | None,
    as_toml: bool,
) -> int:
    """Measure the traits of SUBJECT: separability, response to the learning rate, inputs and more.

    \b
    Example: gdprops traits torch.optim:Adam -p lr=0.001
             gdprops traits torch.optim:Adam --toml >> pyproject.toml
    """
    from gdprops.kinds import kind_of
    from gdprops.model.traits import Traits
    from gdprops.report.consoles import show as show_page
    from gdprops.report.trait_table import print_traits, toml
    from gdprops.runner.request import RunRequest
    from gdprops.runner.session import calls_for_traits
    from gdprops.subjects.user_code.isolation import isolated

    settings = settings_from({"timeout": timeout})
    examined = RunRequest(subject, settings, kind, rule, parameters).resolve()
    budgeted = examined.prepared(Traits(), calls_for_traits(settings))
    try:
        with isolated():
            measured = kind_of(examined).traits(budgeted)
    except SubjectStopped as hang:
        click.echo(f"gdprops: {hang}", err=True)
        return exit_codes.VIOLATED
    if not dict(measured.traits):
        click.echo("\n".join([f"{examined.name}: {examined.kind}", *(note.sentence for note in measured.notes)]))
        click.echo(measured.barred, nl=bool(measured.barred))
        return exit_codes.OK
    if as_toml:
        click.echo(toml(measured.traits, subject=subject))
    else:
        show_page(lambda page: print_traits(page, measured, subject=examined.name, rule=examined.rule))
    return exit_codes.VIOLATED if measured.traits.conflicts else exit_codes.OK
