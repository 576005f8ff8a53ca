"""The ``gdprops`` command. What it prints is made in `gdprops.report`; heavy imports wait inside the commands."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click

from gdprops import __version__
from gdprops.commands.options import (
    examples_option,
    files_from,
    files_options,
    profile_option,
    quiet_option,
    seed_option,
    settings_from,
    settings_on,
    shard_option,
    share_option,
    strict_option,
    subject_options,
    survey_options,
    timeout_option,
    together,
    verbose_option,
)
from gdprops.commands.project import accept, init
from gdprops.errors import UsageError

if TYPE_CHECKING:
    from gdprops.model.verdict import Outcome
    from gdprops.report.progress import Progress

USAGE, INTERNAL, INTERRUPTED, NO_READER = 2, 3, 130, 141
Command = Callable[..., int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code: whatever was asked for wrongly is one line and 2."""
    _tolerate_any_encoding()
    if arguments is None:
        from gdprops.runner.hypothesis_cache import caches_elsewhere

        with contextlib.suppress(RuntimeError, ValueError, OSError):  # where stderr is closed
            faulthandler.enable()  # of a subject that crashes the process it says in which line
        with caches_elsewhere():
            return main(sys.argv[1:])
    try:
        return _invoke(list(arguments))
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


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="gdprops")
def cli() -> None:
    """Check that something that claims to do gradient descent really does.

    \b
    Example: gdprops check torch.optim:SGD -p lr=0.1 --rule sgd

    Exit codes: 0 nothing violated, 1 violated, 2 wrong usage, 3 a bug of gdprops, 5 no clause held, 130 interrupted.
    """


@cli.command()
@click.argument("subjects", nargs=-1, required=True, metavar="SUBJECT…")
@subject_options
@click.option("--clauses", "patterns", multiple=True, metavar="PATTERN", help="Only these, e.g. 'step.*'. Repeatable.")
@together(examples_option, seed_option, profile_option, timeout_option, strict_option)
@click.option(
    "-n",
    "workers",
    metavar="N|auto",
    help="Run on N processes, or one per core: the run survives a subject that ends its process.",
)
@click.option("-x", "--fail-fast", is_flag=True, default=None, help="Stop at the first violation.")
@together(shard_option, share_option)
@together(quiet_option, verbose_option, files_options)
def check(
    subjects: tuple[str, ...],
    kind: str | None,
    rule: str | None,
    parameters: tuple[str, ...],
    patterns: tuple[str, ...],
    workers: str | None,
    quiet: bool,
    verbose: bool,
    **chosen: object,
) -> int:
    """Check each SUBJECT against the specification.

    SUBJECT is package.module:Name, path/to/file.py:name, or a name from [tool.gdprops.subjects] in pyproject.toml; with
    --as backprop also a file with the functions loss and step or gradients. Of several such files each gets one row
    (-v: a report each).

    \b
    Example: gdprops check torch.optim:SGD -p lr=0.1 --rule sgd -n auto
             gdprops check mypkg.optim:MySGD -p lr=0.1 --clauses 'step.*' --examples 500
             gdprops check students/*.py --as backprop
    """
    from gdprops.commands.check_one import report_run
    from gdprops.runner.workers.request import RunRequest
    from gdprops.runner.workers.run import require_workers, run

    require_workers(workers)
    files, clauses = files_from(chosen), patterns or ("*",)

    def runner(subject: str) -> Callable[[Progress], Outcome]:
        def run_it(seen: Progress) -> Outcome:
            request = RunRequest(subject, settings_on(subject, clauses, chosen), kind, rule, parameters, clauses)
            return run(request, seen, workers=workers)

        return run_it

    runs = [(subject, runner(subject)) for subject in subjects]
    if len(runs) == 1:
        return report_run(runs[0][1], files, quiet=quiet, verbose=verbose)
    from gdprops.commands.check_several import report_several

    return report_several(runs, files, quiet=quiet, verbose=verbose, briefly=kind == "backprop")


@cli.command()
@click.argument("clause", required=False)
@click.option("--markdown", is_flag=True, help="Print the whole specification as Markdown.")
def show(clause: str | None, markdown: bool) -> int:
    """List the clauses, those of one chapter, or explain one.

    `show published --markdown` also measures who implements which dialect of each rule.

    \b
    Example: gdprops show
             gdprops show step.simultaneous
             gdprops show --markdown > SPECIFICATION.md
             gdprops show published --markdown
    """
    from gdprops.clauses import catalogue
    from gdprops.report import consoles, specification

    known = catalogue()
    chapter = [c for c in known if c.chapter == clause]
    chosen = chapter or ([known[clause]] if clause else list(known))
    if markdown:
        click.echo(specification.markdown(chosen))
        if clause == "published":
            click.echo(_measured_dialects())
    elif clause and not chapter:
        consoles.show(lambda page: specification.print_clause(page, chosen[0]))
    else:
        consoles.show(lambda page: specification.print_list(page, chosen))
    return 0


def _measured_dialects() -> str:
    from gdprops.report.dialect_table import dialect_table
    from gdprops.runner.dialect_measurements import measured_dialects

    return dialect_table(measured_dialects())


@cli.command()
@click.argument("subject")
@subject_options
@click.option("--toml", "as_toml", is_flag=True, help="Print the declaration for pyproject.toml.")
def traits(subject: str, kind: str | None, rule: str | None, parameters: tuple[str, ...], *, as_toml: bool) -> int:
    """Measure what SUBJECT is: separability, response to the learning rate, inputs and more.

    \b
    Example: gdprops traits torch.optim:Adam -p lr=0.001
             gdprops traits torch.optim:Adam --toml >> pyproject.toml
    """
    from gdprops.report.consoles import show as show_page
    from gdprops.report.trait_table import print_traits, toml
    from gdprops.runner.workers.request import RunRequest
    from gdprops.subjects.probe.measure import probe
    from gdprops.subjects.user_code.isolation import isolated

    examined = RunRequest(subject, settings_from({}), kind, rule, parameters).resolve()
    with isolated():
        measured = probe(examined)
    if as_toml:
        click.echo(toml(measured, subject=subject))
    else:
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
    from gdprops.report.kill_matrix_table import matrix_summary, print_matrix, survived, watching
    from gdprops.runner.kill_matrix import kill_matrix

    with watching(quiet=quiet) as on_row:
        rows = kill_matrix(seeds=tuple(range(seeds)), examples=examples, on_row=on_row)
    if quiet:
        click.echo(matrix_summary(rows))
    else:
        show_page(lambda page: print_matrix(page, rows))
    return 1 if survived(rows) else 0


@cli.command()
@click.argument("modules", nargs=-1, required=True, metavar="MODULE...")
@survey_options
@together(timeout_option, strict_option, quiet_option)
def survey(modules: tuple[str, ...], parameters: tuple[str, ...], **chosen: object) -> int:
    """Examine every optimizer of some MODULEs, each in a process of its own.

    MODULE is package.module, path/to/file.py, or a registry package.module:function. An interrupted survey with
    --json goes on where it stopped.

    \b
    Example: gdprops survey torch.optim -p lr=0.01 --json torch.json
             gdprops survey torch.optim --compare torch.json
    """
    from gdprops.runner.workers.request import hyperparameters
    from gdprops.survey.command import report_survey

    return report_survey(modules, hyperparameters(parameters), **chosen)  # type: ignore[arg-type] # click has them


@cli.command()
@together(examples_option, seed_option, profile_option, quiet_option, files_options)
def selfcheck(quiet: bool, **chosen: object) -> int:
    """Check the system that gdprops itself stands on: autograd, NumPy and rational arithmetic.

    \b
    Example: gdprops selfcheck
    """
    from gdprops.commands.check_one import report_run
    from gdprops.runner.workers.run import run_selfcheck

    files, settings = files_from(chosen), settings_from(chosen)
    return report_run(lambda seen: run_selfcheck(settings, seen), files, quiet=quiet)


@cli.command()
def demo() -> int:
    """Answer the question by running it: does gradient descent train layer by layer?

    Three programs on one small network, in NumPy, torch and (where it is installed) TensorFlow.

    \b
    Example: gdprops demo
    """
    from gdprops.demo.network import frameworks
    from gdprops.demo.page import print_demo
    from gdprops.report.consoles import show as show_page

    show_page(lambda page: print_demo(page, frameworks()))
    return 0


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
    from gdprops.commands.check_one import report_run
    from gdprops.runner.workers.request import RunRequest

    files = files_from(chosen)
    request = RunRequest(subject, settings_from(chosen), kind, rule, parameters)

    def run(seen: Progress) -> Outcome:
        from gdprops.runner.counterexamples.file import replay as replay_case

        return replay_case(file, request.resolve(), request.settings)

    return report_run(run, files, searched=False)


cli.add_command(init)
cli.add_command(accept)
