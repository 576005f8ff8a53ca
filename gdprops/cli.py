"""The ``gdprops`` command: its sub-commands, its error messages and its exit codes.

`gdprops.report` makes what the commands print. Heavy imports wait inside the commands, so that ``--help`` is fast.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

import click

from gdprops.commands.accept import accept
from gdprops.commands.badge import badge
from gdprops.commands.check import check
from gdprops.commands.compare import compare
from gdprops.commands.demo import demo
from gdprops.commands.faults import faults
from gdprops.commands.init import init
from gdprops.commands.options import CONTAINED
from gdprops.commands.replay import replay
from gdprops.commands.selfcheck import selfcheck
from gdprops.commands.show import show
from gdprops.commands.survey import survey
from gdprops.commands.traits import traits
from gdprops.commands.vectors import vectors
from gdprops.commands.watch import watch
from gdprops.errors import UsageError
from gdprops.model import exit_codes
from gdprops.report.run_record import TYPED
from gdprops.version import __version__

WHOLE = ("accept", "compare", "init", "replay", "traits")
"""The commands that run a subject and are run in a process of their own as a whole."""


def main(arguments: Sequence[str] | None = None, *, contained: bool = False) -> int:
    """Run one command and return the exit code. A usage error prints one line and returns 2.

    ``contained``: subjects run in a process of their own, as they do in the program (without ``arguments``).
    """
    _tolerate_any_encoding()
    if arguments is None:
        from gdprops.runner.hypothesis_cache import caches_elsewhere

        with contextlib.suppress(RuntimeError, ValueError, OSError):  # these are raised if stderr is closed
            faulthandler.enable()  # if a subject crashes the process, it prints in which line
        with caches_elsewhere():
            return main(sys.argv[1:], contained=True)
    try:
        if contained and arguments and arguments[0] in WHOLE and not {"-h", "--help"} & set(arguments):
            from gdprops.runner.contained.supervisor import run_command

            return run_command(f"{__name__}:supervised", arguments)
        return _invoke(list(arguments), contained=contained)
    except click.exceptions.Exit as done:
        return done.exit_code
    except BaseException as error:
        return _answer(error)


def supervised() -> NoReturn:
    """Run a command in a process that is supervised by another one, which has started it for that."""
    from gdprops.runner.contained.child import of_a_command

    of_a_command(main)


def _answer(error: BaseException) -> int:
    """Print what stopped the command, and return the exit code.

    An unforeseen exception is a bug of gdprops: it has an exit code of its own and does not look like a violation.
    """
    if isinstance(error, click.ClickException):
        return _complain(error.format_message(), exit_codes.UNUSABLE)
    if isinstance(error, UsageError):
        return _complain(str(error), exit_codes.UNUSABLE)
    if isinstance(error, SystemExit):
        return _complain(f"the subject ended the process with SystemExit({error.code!r})", exit_codes.UNUSABLE)
    if isinstance(error, KeyboardInterrupt):
        click.echo("gdprops: interrupted", err=True)
        return exit_codes.INTERRUPTED
    if isinstance(error, BrokenPipeError):
        return _lost_reader()
    traceback.print_exception(error)
    click.echo("gdprops: this is a bug of gdprops; please report the lines above", err=True)
    return exit_codes.BUG


def _invoke(arguments: list[str], *, contained: bool) -> int:
    """Run one command without click's own handling of Ctrl-C, closed pipes and exit codes."""
    told = CONTAINED if contained else None
    with cli.make_context("gdprops", list(arguments) or ["--help"], obj=told) as context:
        context.meta[TYPED] = arguments
        return int(cli.invoke(context) or 0)


def _complain(message: str, code: int) -> int:
    click.echo(f"gdprops: error: {' '.join(message.split())}", err=True)
    return code


def _tolerate_any_encoding() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # a captured stream has no reconfigure


def _lost_reader() -> int:
    """Handle a closed pipe (``gdprops … | head``): discard the rest of the output, and return the exit code."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return exit_codes.NO_READER


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="gdprops")
def cli() -> None:
    """Check that something that claims to do gradient descent really does.

    \b
    Example: gdprops check torch.optim:SGD -p lr=0.1 --rule sgd

    Exit codes: 0 nothing violated, 1 violated, 2 wrong usage, 3 a bug of gdprops, 5 not decided, 130 interrupted.
    """


for command in (
    check,
    show,
    traits,
    faults,
    survey,
    selfcheck,
    demo,
    replay,
    init,
    accept,
    watch,
    vectors,
    compare,
    badge,
):
    cli.add_command(command)
