"""``gdprops survey``: examine every optimizer of some modules."""

from __future__ import annotations

import click

from gdprops.commands.options import (
    quiet_option,
    strict_option,
    survey_options,
    timeout_option,
    together,
)


@click.command()
@click.argument("modules", nargs=-1, required=True, metavar="MODULE...")
@survey_options
@together(timeout_option, strict_option, quiet_option)
def survey(modules: tuple[str, ...], parameters: tuple[str, ...], **chosen: object) -> int:
    """Examine every optimizer of some MODULEs, each in its own process.

    MODULE is package.module, path/to/file.py, or a registry package.module:function. An interrupted survey with
    --json continues where it stopped. A MODULE among several that cannot be imported is a row with its message.

    \b
    Example: gdprops survey torch.optim -p lr=0.01 --json torch.json
             gdprops survey torch.optim --compare torch.json
             gdprops survey my_optimizers --script > scripts.py
    """
    from gdprops.runner.request import hyperparameters
    from gdprops.survey.command import report_survey

    return report_survey(modules, hyperparameters(parameters), **chosen)  # type: ignore[arg-type] # click has them
