"""``gdprops compare``: are two optimizers one? The same cases for both, and the first difference."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gdprops.commands.options import (
    examples_option,
    profile_option,
    seed_option,
    settings_from,
    timeout_option,
    together,
)

if TYPE_CHECKING:
    from gdprops.model.subject import Subject
    from gdprops.pairs.outcome_of_pair import Compared
    from gdprops.runner.settings import Settings


@click.command()
@click.argument("first", metavar="A")
@click.argument("second", metavar="[B]", required=False)
@click.option("-p", "both", multiple=True, metavar="NAME=VALUE", help="A hyperparameter of both. Repeatable.")
@click.option("-a", "of_first", multiple=True, metavar="NAME=VALUE", help="A hyperparameter of A alone.")
@click.option("-b", "of_second", multiple=True, metavar="NAME=VALUE", help="A hyperparameter of B alone.")
@click.option("--rule", metavar="NAME", help="The published rule of both: a difference then names their dialects.")
@click.option("--as", "kind", metavar="KIND", help="What both are, where that is not seen: update-rule, for instance.")
@click.option("--save", metavar="FILE", help="Run A alone and write it to a file, for a comparison elsewhere.")
@click.option("--json", "json_path", metavar="FILE", help="Write the result to a file as well.")
@together(examples_option, seed_option, profile_option, timeout_option)
def compare(
    first: str,
    second: str | None,
    both: tuple[str, ...],
    of_first: tuple[str, ...],
    of_second: tuple[str, ...],
    rule: str | None,
    kind: str | None,
    save: str | None,
    json_path: str | None,
    **chosen: object,
) -> int:
    """Run two optimizers that should be one on the same drawn cases, and name the first difference.

    A and B are subjects as `gdprops check` takes them: a port and its original, a loop and its foreach form, two
    versions of a package. Neither counts as wrong. Defaults that differ are told and set equal. Where A and B cannot
    be installed together, A is saved to a file first, which then takes its place.

    Exit codes: 0 equal, 1 different, 5 not decided.

    \b
    Example: gdprops compare torch.optim:Adam torch.optim:Adam -p lr=0.001 -b foreach=True
             gdprops compare torch.optim:RMSprop mypkg.optim:MyRMSprop -p lr=0.01 --rule rmsprop
             gdprops compare mypkg.optim:Lion -p lr=0.01 --save old.json
             gdprops compare old.json mypkg.optim:Lion -p lr=0.01
    """
    from gdprops.errors import UsageError
    from gdprops.pairs import recorded
    from gdprops.subjects.user_code.isolation import isolated

    settings = settings_from(dict(chosen))
    if (second is None) == (save is None):
        raise UsageError("compare takes two subjects, or one and --save FILE")
    with isolated():
        if save is not None:
            return _save(_resolved(first, (*both, *of_first), rule, kind, settings), save, settings)
        if recorded.is_recorded(first):
            found = _with_recorded(first, _resolved(second or "", (*both, *of_second), rule, kind, settings), settings)
        else:
            found = _of_two(first, second or "", (*both, *of_first), (*both, *of_second), rule, kind, settings)
    return _told(found, json_path)


def _of_two(
    first: str,
    second: str,
    of_first: tuple[str, ...],
    of_second: tuple[str, ...],
    rule: str | None,
    kind: str | None,
    settings: Settings,
) -> Compared:
    from gdprops.pairs.outcome_of_pair import outcome_of
    from gdprops.pairs.pair import pair_of
    from gdprops.runner.named_subjects import named
    from gdprops.runner.request import hyperparameters

    pair = pair_of(
        _resolved(first, of_first, rule, kind, settings),
        _resolved(second, of_second, rule, kind, settings),
        hyperparameters(of_second),
        lambda values: named(second, kind=kind, rule=rule, hyperparameters=values),
        settings,
    )
    return outcome_of(pair, settings)


def _with_recorded(path: str, second: Subject, settings: Settings) -> Compared:
    from gdprops.pairs.outcome_of_pair import outcome_with
    from gdprops.pairs.pair import IMPLEMENTATION, measured, require_fed
    from gdprops.pairs.recorded import load

    side = load(path)
    fed, found = measured(require_fed(second, side.name), settings)
    there = side.settings
    told = [
        f"{name} is {value!r} here and {there[name]} where {side.name} was recorded"
        for name, value in fed.settings.items()
        if name in there and there[name] != repr(value) and name not in IMPLEMENTATION
    ]
    return outcome_with(side, fed, found.domain, told)


def _save(subject: Subject, path: str, settings: Settings) -> int:
    from gdprops.pairs.outcome_of_pair import records_of
    from gdprops.pairs.pair import measured, require_fed
    from gdprops.pairs.recorded import save

    fed, found = measured(require_fed(subject), settings)
    records = records_of(fed, found.domain, settings)
    save(path, fed, records)
    click.echo(f"{path}: {fed.name} on {len(records)} cases; gdprops compare {path} B compares another one with it")
    return 0


def _resolved(spec: str, typed: tuple[str, ...], rule: str | None, kind: str | None, settings: Settings) -> Subject:
    from gdprops.runner.request import RunRequest

    return RunRequest(spec, settings, kind, rule, typed).resolve()


def _told(found: Compared, json_path: str | None) -> int:
    import json

    from gdprops.errors import UsageError
    from gdprops.runner.written_file import write_file

    for line in found.told:
        click.echo(line)
    if found.bug:
        click.echo(f"{found.bug}\ngdprops: this is a bug of gdprops; please report the lines above", err=True)
    seed = "" if found.seed is None else f", seed {found.seed}"
    click.echo(f"{found.result.upper()}  {found.first} and {found.second} ({found.examples} examples{seed})")
    for line in (*found.difference, *found.case):
        click.echo(f"  {line}")
    if json_path is not None:
        try:
            write_file(json_path, json.dumps(found.to_dict(), ensure_ascii=False, indent=1) + "\n")
        except OSError as error:
            raise UsageError(f"{json_path} cannot be written: {error}") from None
    return found.exit_code
