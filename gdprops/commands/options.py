"""The options of the ``gdprops`` commands, and the settings and files that they ask for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from gdprops.kinds import NAMES

if TYPE_CHECKING:
    from gdprops.report.report_files import Files
    from gdprops.runner.settings import Settings

Command = Callable[..., int]
CONTAINED = "subjects run in a process of their own"
"""What `gdprops.cli` tells the commands when it is run as a program."""


def together(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Join several options into one decorator; ``--help`` shows them in this order."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


examples_option = click.option(
    "--examples", type=int, metavar="N", help="Examples per clause (default: set by the profile)."
)
seed_option = click.option("--seed", type=int, metavar="N", help="Draw the same examples in every run.")
profile_option = click.option(
    "--profile", metavar="NAME", help="dev, ci or nightly (default: ci where CI is set, else dev)."
)
timeout_option = click.option(
    "--timeout",
    type=float,
    metavar="SECONDS",
    help="Time of the subject per clause; building it and measuring its traits may each take three times as long, "
    "importing it 30 s. What does not stop by itself is ended two seconds later (default: 60).",
)
in_process_option = click.option(
    "--in-process",
    is_flag=True,
    default=lambda: not is_contained(),
    help="Run the subject in this process, for a debugger; then nothing stops one that hangs in native code.",
)
fresh_option = click.option(
    "--fresh", is_flag=True, default=None, help="Run the reference too, though its verdicts are kept from before."
)
shard_option = click.option("--shard", metavar="I/N", help="Only the I-th of N parts of the clauses, for CI matrices.")
share_option = click.option("--share", metavar="URL", help="A Redis server that shares failing examples.")
strict_option = click.option(
    "--strict", is_flag=True, default=None, help="Vacuous clauses and violated recommendations fail too."
)
quiet_option = click.option("-q", "--quiet", is_flag=True, help="Only the answer and what fails.")
verbose_option = click.option("-v", "--verbose", count=True, help="List every clause; -vv with its statement.")
files_options = together(
    click.option("--json", metavar="FILE", help="Write the verdicts to a file as well."),
    click.option("--junit", metavar="FILE", help="Write the verdicts as JUnit XML."),
    click.option(
        "--markdown", metavar="FILE", help="Write the verdicts as Markdown (a GitHub step summary always gets them)."
    ),
    click.option("--html", metavar="FILE", help="Write one page with pictures (needs gdprops[report])."),
    click.option("--figures", metavar="FOLDER", help="Write the pictures alone (needs gdprops[report])."),
    click.option("--csv", metavar="FILE", help="Write one row for each subject: file, verdict, sentence, line."),
    click.option("--sarif", metavar="FILE", help="Write the violations as SARIF 2.1.0, for code hosts and editors."),
)


def world_option(command: Command) -> Command:
    """Add ``--world``, which is ``-p world=…`` for distributed steps."""

    @wraps(command)
    def with_world(*args: Any, parameters: tuple[str, ...] = (), world: str | None = None, **chosen: Any) -> int:
        stated = () if world is None else (f"world=({world})" if "," in world else f"world={world}",)
        return command(*args, parameters=(*parameters, *stated), **chosen)

    named = click.option("--world", metavar="N[,N]", help="On how many ranks a distributed step runs, e.g. 2 or 2,4.")
    return named(with_world)


subject_options = together(
    world_option,
    click.option("--rule", metavar="NAME", help="The published rule that the subject implements, e.g. sgd."),
    click.option("--as", "kind", metavar="KIND", help=f"What the subject is: {', '.join(NAMES[:-1])} or {NAMES[-1]}."),
    click.option(
        "-p",
        "parameters",
        multiple=True,
        metavar="NAME=VALUE",
        help="A hyperparameter, e.g. lr=0.1. Repeatable.",
    ),
)

survey_options = together(
    click.option(
        "-p",
        "parameters",
        multiple=True,
        metavar="NAME=VALUE",
        help="A hyperparameter, for the optimizers that have it.",
    ),
    click.option("--examples", type=int, default=50, show_default=True, metavar="N", help="Examples per clause."),
    click.option(
        "--seed", type=int, default=0, show_default=True, metavar="N", help="The same seed gives the same matrix."
    ),
    click.option("--time", type=float, metavar="SECONDS", help="Wall time of one optimizer (default: 600)."),
    click.option("--memory", type=float, metavar="GB", help="Memory of one optimizer (default: 4)."),
    click.option("-n", "workers", metavar="N|auto", default="auto", show_default=True, help="Processes at once."),
    click.option("--json", "json_path", metavar="FILE", help="Write the survey to a file, after every optimizer."),
    click.option("--markdown", "markdown_path", metavar="FILE", help="Write the whole matrix as Markdown."),
    click.option("--junit", metavar="FILE", help="Write JUnit XML, one test suite per optimizer."),
    click.option("--html", metavar="FILE", help="Write one page with pictures (needs gdprops[report])."),
    click.option("--figures", metavar="FOLDER", help="Write the pictures alone (needs gdprops[report])."),
    click.option(
        "--ray",
        metavar="[ADDRESS]",
        is_flag=False,
        flag_value="local",
        help="Examine on a Ray cluster; without ADDRESS a local cluster is started (needs gdprops[ray]).",
    ),
    click.option("--compare", "old", metavar="OLD.json", help="Print what changed; exit 1 only on a new violation."),
    click.option(
        "--script", is_flag=True, help="Print instead the shortest script of every violation, for an issue tracker."
    ),
)


def is_contained() -> bool:
    """Say whether subjects run in a process of their own: they do in the ``gdprops`` command, not in a call of main."""
    context = click.get_current_context(silent=True)
    return context is not None and context.find_root().obj == CONTAINED


def files_from(chosen: dict[str, Any]) -> Files:
    """Return the files that a command's options ask for, and remove these options from ``chosen``."""
    from gdprops.report.report_files import Files

    return Files(*(chosen.pop(form) for form in ("json", "junit", "markdown", "html", "figures", "csv", "sarif")))


def settings_from(chosen: dict[str, Any]) -> Settings:
    """Return the settings that a command's options ask for."""
    from gdprops.runner.settings import chosen as settings

    if chosen.get("share") is not None:
        from gdprops.runner.example_databases import require_server

        require_server(chosen["share"])
    given = {key: value for key, value in chosen.items() if key != "profile"}
    return settings(chosen.get("profile"), **given)


def settings_on(subject: str, clauses: Sequence[str], chosen: dict[str, Any]) -> Settings:
    """Return the settings that a command's options ask for, combined with the project's configuration of a subject."""
    from gdprops.runner.named_subjects import in_terms

    return in_terms(settings_from(chosen), subject, examples=chosen.get("examples"), clauses=clauses)
