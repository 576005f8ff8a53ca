"""The ``gdprops`` command. What it prints is made in `gdprops.report`; heavy imports wait inside the commands."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from gdprops import __version__
from gdprops.errors import UsageError

if TYPE_CHECKING:
    from gdprops.model.verdict import Outcome
    from gdprops.report.files import Files
    from gdprops.report.progress import Progress
    from gdprops.runner.settings import Settings

USAGE, INTERNAL, INTERRUPTED, NO_READER = 2, 3, 130, 141
Command = Callable[..., int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code: whatever was asked for wrongly is one line and 2."""
    _tolerate_any_encoding()
    try:
        return _invoke(list(sys.argv[1:] if arguments is None else arguments))
    except click.exceptions.Exit as done:
        return done.exit_code
    except BaseException as error:
        return _answer(error)


def _answer(error: BaseException) -> int:
    """Say what stopped the command; whatever nobody foresaw is a bug of ours and must not look like a verdict."""
    if isinstance(error, click.ClickException):
        return _complain(error.format_message(), USAGE)
    if isinstance(error, UsageError):
        return _complain(str(error), USAGE)
    if isinstance(error, SystemExit):
        return _complain(f"the subject ended the process with SystemExit({error.code!r})", USAGE)
    if isinstance(error, KeyboardInterrupt):
        click.echo("gdprops: interrupted", err=True)
        return INTERRUPTED
    if isinstance(error, BrokenPipeError):
        return _lost_reader()
    traceback.print_exception(error)
    click.echo("gdprops: this is a bug of gdprops; please report the lines above", err=True)
    return INTERNAL


def _invoke(arguments: list[str]) -> int:
    """Run one command without click's own handling of Ctrl-C, lost pipes and exit codes."""
    with cli.make_context("gdprops", arguments or ["--help"]) as context:
        return int(cli.invoke(context) or 0)


def _complain(message: str, code: int) -> int:
    click.echo(f"gdprops: error: {' '.join(message.split())}", err=True)
    return code


def _tolerate_any_encoding() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # a captured stream has none


def _lost_reader() -> int:
    """Nobody reads the output any more (``| head``): flush the rest of it into nothing."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return NO_READER


def together(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Join several options into one decorator, shown in this order."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


examples_option = click.option(
    "--examples", type=int, metavar="N", help="Examples per clause (default: the profile's)."
)
seed_option = click.option("--seed", type=int, metavar="N", help="The same examples in every run.")
profile_option = click.option(
    "--profile", metavar="NAME", help="dev, ci or nightly (default: ci where CI is set, else dev)."
)
timeout_option = click.option(
    "--timeout", type=float, metavar="SECONDS", help="Time of the subject per clause (default: 60)."
)
strict_option = click.option(
    "--strict", is_flag=True, default=None, help="Vacuous clauses and violated recommendations fail too."
)
quiet_option = click.option("-q", "--quiet", is_flag=True, help="Only violations and the summary.")
verbose_option = click.option("-v", "--verbose", is_flag=True, help="List the reference's clauses too.")
files_options = together(
    click.option("--json", metavar="FILE", help="Write the verdicts to a file as well."),
    click.option("--junit", metavar="FILE", help="The same as JUnit XML."),
    click.option("--markdown", metavar="FILE", help="The same as Markdown (always for a GitHub step summary)."),
    click.option("--html", metavar="FILE", help="The same as one page with pictures (needs gdprops[report])."),
    click.option("--figures", metavar="FOLDER", help="The pictures alone (needs gdprops[report])."),
)
subject_options = together(
    click.option("--rule", metavar="NAME", help="The published rule that the subject declares to be, e.g. sgd."),
    click.option(
        "--as", "kind", metavar="KIND", help="What the subject is: optimizer, training-step, backprop or update-rule."
    ),
    click.option(
        "-p",
        "parameters",
        multiple=True,
        metavar="NAME=VALUE",
        help="A hyperparameter, e.g. lr=0.1. Repeatable.",
    ),
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="gdprops")
def cli() -> None:
    """Check that something that claims to do gradient descent really does.

    \b
    Example: gdprops check torch.optim:SGD -p lr=0.1 --rule sgd

    Exit codes: 0 nothing violated, 1 violated, 2 wrong usage, 3 a bug of gdprops, 5 no clause held, 130 interrupted.
    """


@cli.command()
@click.argument("subject")
@subject_options
@click.option("--clauses", "patterns", multiple=True, metavar="PATTERN", help="Only these, e.g. 'step.*'. Repeatable.")
@together(examples_option, seed_option, profile_option, timeout_option, strict_option)
@click.option("-n", "workers", metavar="N|auto", help="Run on N processes, or one per core.")
@click.option("-x", "--fail-fast", is_flag=True, default=None, help="Stop at the first violation.")
@together(quiet_option, verbose_option, files_options)
def check(
    subject: str,
    kind: str | None,
    rule: str | None,
    parameters: tuple[str, ...],
    patterns: tuple[str, ...],
    workers: str | None,
    quiet: bool,
    verbose: bool,
    **chosen: object,
) -> int:
    """Check SUBJECT against the specification.

    SUBJECT is package.module:Name, path/to/file.py:name, or a name from [tool.gdprops.subjects] in pyproject.toml.

    \b
    Example: gdprops check torch.optim:SGD -p lr=0.1 --rule sgd -n auto
             gdprops check mypkg.optim:MySGD -p lr=0.1 --clauses 'step.*' --examples 500
    """
    from gdprops.plugin.run_request import RunRequest
    from gdprops.plugin.running import require_workers, run
    from gdprops.report.run import report_run

    require_workers(workers)
    files, clauses = _files(chosen), patterns or ("*",)
    request = RunRequest(subject, _in_terms(subject, clauses, **chosen), kind, rule, parameters, clauses)
    return report_run(lambda seen: run(request, seen, workers=workers), files, quiet=quiet, verbose=verbose)


@cli.command()
@click.argument("clause", required=False)
@click.option("--markdown", is_flag=True, help="Print the whole specification as Markdown.")
def show(clause: str | None, markdown: bool) -> int:
    """List the clauses, or explain one.

    \b
    Example: gdprops show
             gdprops show step.simultaneous
             gdprops show --markdown > SPECIFICATION.md
    """
    from gdprops.clauses import catalogue
    from gdprops.report import consoles, specification

    known = catalogue()
    chosen = [known[clause]] if clause else list(known)
    if markdown:
        click.echo(specification.markdown(chosen))
    elif clause:
        consoles.show(lambda page: specification.print_clause(page, chosen[0]))
    else:
        consoles.show(lambda page: specification.print_list(page, chosen))
    return 0


@cli.command()
@click.argument("subject")
@subject_options
def traits(subject: str, kind: str | None, rule: str | None, parameters: tuple[str, ...]) -> int:
    """Measure what SUBJECT is: separability, response to the learning rate, inputs and more.

    \b
    Example: gdprops traits torch.optim:Adam -p lr=0.001
    """
    from gdprops.adapters.probe import probe
    from gdprops.plugin.run_request import RunRequest
    from gdprops.report.consoles import show as show_page
    from gdprops.report.traits import print_traits

    examined = RunRequest(subject, _settings(), kind, rule, parameters).resolve()
    measured = probe(examined)
    show_page(lambda page: print_traits(page, measured, subject=examined.name, rule=examined.rule))
    return 1 if measured.conflicts else 0


@cli.command()
@click.option("--examples", type=click.IntRange(min=1), default=100, show_default=True, metavar="N")
@click.option("--seeds", type=click.IntRange(min=1), default=5, show_default=True, metavar="N")
@quiet_option
def faults(examples: int, seeds: int, quiet: bool) -> int:
    """Show that every deliberately wrong subject is caught: which clause, after how many examples.

    \b
    Example: gdprops faults
    """
    from gdprops.report.consoles import show as show_page
    from gdprops.report.matrix import matrix_summary, print_matrix, survived, watching
    from gdprops.runner.kill import kill_matrix

    with watching(quiet=quiet) as on_row:
        rows = kill_matrix(seeds=tuple(range(seeds)), examples=examples, on_row=on_row)
    if quiet:
        click.echo(matrix_summary(rows))
    else:
        show_page(lambda page: print_matrix(page, rows))
    return 1 if survived(rows) else 0


@cli.command()
@together(examples_option, seed_option, profile_option, quiet_option, files_options)
def selfcheck(quiet: bool, **chosen: object) -> int:
    """Check the system that gdprops itself stands on: autograd, NumPy and rational arithmetic.

    \b
    Example: gdprops selfcheck
    """
    from gdprops.plugin.running import run_selfcheck
    from gdprops.report.run import report_run

    files, settings = _files(chosen), _settings(**chosen)
    return report_run(lambda seen: run_selfcheck(settings, seen), files, quiet=quiet)


@cli.command()
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
    from gdprops.plugin.run_request import RunRequest
    from gdprops.report.run import report_run

    files = _files(chosen)
    request = RunRequest(subject, _settings(**chosen), kind, rule, parameters)

    def run(seen: Progress) -> Outcome:
        from gdprops.runner.saved import replay as replay_case

        return replay_case(file, request.resolve(), request.settings)

    return report_run(run, files, searched=False)


def _files(chosen: dict[str, Any]) -> Files:
    """Take the options of `files_options` out of a command's options."""
    from gdprops.report.files import Files

    return Files(*(chosen.pop(form) for form in ("json", "junit", "markdown", "html", "figures")))


def _settings(**chosen: object) -> Settings:
    from gdprops.runner import settings

    name = chosen.pop("profile", None)
    return settings.chosen(None if name is None else str(name), **chosen)


@cli.command()
@click.argument("subject")
@subject_options
def init(subject: str, kind: str | None, rule: str | None, parameters: tuple[str, ...]) -> int:
    """Write [tool.gdprops] for SUBJECT into pyproject.toml, and a test file. Nothing is overwritten.

    \b
    Example: gdprops init mypkg.optim:MySGD -p lr=0.1
    """
    from pathlib import Path

    from gdprops.plugin.run_request import RunRequest, hyperparameters
    from gdprops.runner.initialize import initialize

    RunRequest(subject, _settings(), kind, rule, parameters).resolve()
    given = hyperparameters(parameters)
    project, test = initialize(Path.cwd(), subject, kind=kind, rule=rule, parameters=given)
    click.echo(f"{project.name}: [tool.gdprops] written; pytest --gdprops runs it.")
    click.echo(f"{test.relative_to(Path.cwd())}: written; pytest runs it.")
    return 0


def _in_terms(subject: str, clauses: Sequence[str], **chosen: object) -> Settings:
    from gdprops.runner.named import in_terms

    examples = chosen.get("examples")
    settings = _settings(**chosen)
    return in_terms(settings, subject, examples=examples if isinstance(examples, int) else None, clauses=clauses)
