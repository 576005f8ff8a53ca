"""``gdprops watch``: run a training script as it is, and look at its first steps."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from gdprops.commands.options import files_from, files_options, quiet_option
from gdprops.watching.limits import ENTRIES, STEPS

if TYPE_CHECKING:
    from gdprops.live_run import LiveRun
    from gdprops.report.report_files import Files

PATIENCE = 60.0
"""After so many seconds without a step this is said once; a download may take longer."""


@click.command(context_settings={"allow_interspersed_args": False})
@click.argument("script", nargs=-1, type=click.UNPROCESSED, metavar="SCRIPT [ARGS]...")
@click.option("-m", "module", metavar="MODULE", help="Run a module as a script; everything behind it is its arguments.")
@click.option("--steps", default=STEPS, show_default=True, metavar="N", help="How many optimizer steps to watch.")
@click.option("--every", type=int, metavar="K", help="Watch as many steps again after each K steps.")
@click.option(
    "--sample",
    default=ENTRIES,
    show_default=True,
    metavar="N",
    help="Of larger tensors about N entries are compared, evenly spread.",
)
@click.option("--frozen", multiple=True, metavar="PATTERN", help="Parameters that are not to be trained. Repeatable.")
@click.option("--record", metavar="DIR", help="Keep the weights and batches of the first step for gdprops check.")
@click.option("--rule", is_flag=True, help="Let copies, one per tensor, make a step again (live.rule).")
@click.option("--strict", is_flag=True, help="Notes (violated recommendations) fail too.")
@quiet_option
@files_options
def watch(
    script: tuple[str, ...],
    module: str | None,
    steps: int,
    every: int | None,
    sample: int,
    frozen: tuple[str, ...],
    record: str | None,
    rule: bool,
    strict: bool,
    quiet: bool,
    **chosen: Any,
) -> int:
    """Run SCRIPT unchanged, and say whether each of its first steps was one gradient step from frozen weights.

    \b
    Examples: gdprops watch train.py --epochs 1
              gdprops watch -m package.train --epochs 1

    The script's output, its exceptions and its exit code are its own; the report goes to standard error. An exit code
    of 0 becomes 1 where something is wrong, and 5 where the script ends without a step.
    """
    from gdprops.errors import UsageError
    from gdprops.live_run import watch as watched
    from gdprops.watching.script import Script, told
    from gdprops.watching.sudden_exit import before_sudden_exit

    if not script and module is None:
        raise UsageError("watch needs a script, or -m and a module")
    files = files_from(chosen)
    files.require()
    run = Script(script[0], script[1:]) if module is None else Script(module, script, is_module=True)
    run.require()
    ours = os.getpid()
    with watched(
        steps, every=every, entries=sample, strict=strict, frozen=frozen, record=record, rule=rule, name=run.target
    ) as live:

        def conclude_now(status: int) -> int:
            live.ended_by(SystemExit(status))
            return _conclude(live, files, status, quiet=quiet)

        with _impatient(live), before_sudden_exit(conclude_now):
            error = run.run()
        live.ended_by(error)
    own = told(error)
    if os.getpid() != ours:  # a fork of the script's own, which ends here
        return own
    return _conclude(live, files, own, quiet=quiet)


@contextmanager
def _impatient(live: LiveRun) -> Iterator[None]:
    """Say once that no optimizer has stepped, if that takes long."""
    over = threading.Event()

    def tell() -> None:
        if not over.wait(PATIENCE) and not live.steps:
            click.echo(f"gdprops: no optimizer has stepped in the first {PATIENCE:g} s; still watching", err=True)

    # with a name of its own, it takes no number from the threads of the script
    threading.Thread(target=tell, name="gdprops", daemon=True).start()
    try:
        yield
    finally:
        over.set()


def _conclude(live: LiveRun, files: Files, own: int, *, quiet: bool) -> int:
    """Print and write the report, and return the script's own exit code, or what the findings make of 0.

    Under torchrun the first process of a machine reports for all of them.
    """
    from gdprops.report.consoles import console
    from gdprops.report.terminal import print_outcome
    from gdprops.watching.ranks import ranks_of

    ranks = ranks_of(os.environ)
    try:
        if ranks is not None and not ranks.reports:
            ranks.send(live.record())
            return own
        if ranks is not None:
            live.hear(ranks.receive(), expected=ranks.count - 1)
    except OSError as error:
        click.echo(f"gdprops: this process and the others cannot tell each other what they saw: {error}", err=True)
    outcome = live.report.outcome
    sys.stdout.flush()
    print_outcome(console(stderr=True), outcome, quiet=quiet)
    files.write([outcome])
    sys.stderr.flush()
    return own or outcome.exit_code
