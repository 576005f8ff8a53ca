"""Run a survey for the command line: check the options, show progress, print the table and write the files."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any, final

import click

from gdprops.errors import UsageError, text_of
from gdprops.model import exit_codes
from gdprops.model.wording import plural
from gdprops.report import consoles
from gdprops.report.progress_display import displaying
from gdprops.report.report_files import Files, ensure_writable
from gdprops.runner.signals import terminable
from gdprops.runner.written_file import write_file
from gdprops.survey.matrix_file import read_survey, unfinished, write_survey
from gdprops.survey.matrix_markdown import survey_markdown
from gdprops.survey.matrix_text import print_changes, print_survey, summary
from gdprops.survey.package_versions import versions_of
from gdprops.survey.scripts import scripts_text
from gdprops.survey.survey_data import Entry, Job, Survey, changes
from gdprops.version import __version__

if TYPE_CHECKING:
    from gdprops.report.progress_display import Display
    from gdprops.runner.settings import Settings
    from gdprops.survey.processes import Limits


def report_survey(
    modules: Sequence[str],
    given: Mapping[str, Any],
    *,
    examples: int,
    seed: int,
    timeout: float | None,
    strict: bool | None,
    time: float | None,
    memory: float | None,
    workers: str,
    json_path: str | None,
    markdown_path: str | None,
    junit: str | None,
    html: str | None,
    figures: str | None,
    ray: str | None,
    old: str | None,
    script: bool,
    quiet: bool,
) -> int:
    """Examine every optimizer of some modules, print the survey, write the files and return the exit code.

    ``script``: print the scripts of the violations and nothing else, so that the output can be run.
    """
    from gdprops.runner.settings import chosen
    from gdprops.survey.ray_cluster import require_ray

    settings = chosen("ci", examples=examples, seed=seed, timeout=timeout, strict=strict)
    limits = _limits(time, memory)
    before = read_survey(old) if old else None
    for path, option in ((json_path, "--json"), (markdown_path, "--markdown")):
        if path:
            ensure_writable(path, option)
    files = Files(junit=junit, html=html, figures=figures)
    files.require()
    if ray is not None:
        require_ray()
    with terminable() as terminated, displaying(consoles.console(stderr=True), quiet=quiet) as display:
        surveying = Surveying(modules, given, settings, json_path, display)
        survey = surveying.run(_processes(workers), limits, ray)
    written = files.write([entry.outcome for entry in survey.entries], summary=survey_markdown(survey))
    if markdown_path:
        written &= _is_written(markdown_path, survey_markdown(survey))
    if script:
        click.echo(scripts_text(survey), nl=False)
        click.echo(f"gdprops: {summary(survey)}", err=True)
    elif quiet:
        click.echo(summary(survey))
    else:
        consoles.show(lambda page: print_survey(page, survey))
    code = exit_codes.TERMINATED if terminated else _conclude(survey, before, old or "")
    return code if written else exit_codes.worst((code, exit_codes.UNUSABLE))


def _is_written(path: str, text: str) -> bool:
    try:
        write_file(path, text)
    except OSError as error:
        click.echo(f"gdprops: error: --markdown {path}: cannot be written ({error.strerror or error})", err=True)
        return False
    return True


def _conclude(survey: Survey, before: Survey | None, old: str) -> int:
    """Print what changed since an older survey, if there is one, and return the exit code.

    Compared with an older survey, only a new violation gives exit code 1.
    """
    if not survey.complete:
        return exit_codes.INTERRUPTED
    if before is None or survey.exit_code == exit_codes.BUG:
        return survey.exit_code
    changed = changes(before, survey)
    consoles.show(lambda page: print_changes(page, changed, old))
    return exit_codes.VIOLATED if any(change.is_new_violation for change in changed) else exit_codes.OK


def _limits(seconds: float | None, gigabytes: float | None) -> Limits:
    from gdprops.survey.processes import Limits

    for name, value in (("--time", seconds), ("--memory", gigabytes)):
        if value is not None and not (math.isfinite(value) and value > 0):
            raise UsageError(f"{name} {value:g}: expected a positive number")
    default = Limits()
    return Limits(seconds or default.seconds, gigabytes or default.gigabytes)


def _processes(text: str) -> int:
    if text == "auto":
        return os.cpu_count() or 1
    if not (text.isdecimal() and int(text) > 0):
        raise UsageError(f"-n {text}: expected a number of processes of at least 1, or auto")
    return int(text)


@final
class Surveying:
    """A running survey: its jobs, the finished entries, and the file in which they are saved."""

    def __init__(
        self,
        modules: Sequence[str],
        given: Mapping[str, Any],
        settings: Settings,
        path: str | None,
        display: Display,
    ) -> None:
        self._settings, self._path, self._display = settings, path, display
        self._began = time.perf_counter()
        self._jobs, missing = _jobs(modules, given)
        self._asked = asked(modules, given, settings)
        self._missing = {where: _missing(where, why, settings) for where, why in missing.items()}
        self._entries = {e.key: e for e in unfinished(path, self._asked) if e.key not in self._missing}

    def run(self, workers: int, limits: Limits, ray: str | None = None) -> Survey:
        """Return the survey; after Ctrl-C it contains the finished entries and is marked as not complete.

        ``ray`` is the address of a Ray cluster, or ``"local"`` for a cluster that is started on this machine. With None
        the survey runs on local processes, without Ray.
        """
        from gdprops.survey.processes import examine_all
        from gdprops.survey.ray_cluster import examine_on_ray

        everywhere = examine_all if ray is None else partial(examine_on_ray, address=ray)
        waiting = [job for job in self._jobs if job.key not in self._entries]
        if self._entries:
            done = f"{len(self._entries)} of {plural(len(self._jobs), 'optimizer')} are taken from {self._path}"
            click.echo(f"gdprops: {done}, which was interrupted; remove that file to examine them again", err=True)
        try:
            for entry in everywhere(waiting, self._settings, workers=workers, limits=limits, seen=self._tell):
                self._keep(entry)
        except KeyboardInterrupt:
            click.echo("gdprops: interrupted; this is what was found so far", err=True)
        return self._survey()

    def _keep(self, entry: Entry) -> None:
        self._entries[entry.key] = entry
        if self._path:
            write_survey(self._path, self._survey())

    def _survey(self) -> Survey:
        entries = [self._entries[job.key] for job in self._jobs if job.key in self._entries]
        timing = {"seconds": time.perf_counter() - self._began}
        complete = len(entries) == len(self._jobs)
        return Survey(self._asked, [*self._missing.values(), *entries], complete, timing)

    def _tell(self, key: str, clause: str) -> None:
        red = sum(entry.failed for entry in self._entries.values())
        done = f"{len(self._entries)} of {plural(len(self._jobs), 'optimizer')} done"
        self._display.tell(f"{done}{f' ({red} red)' if red else ''}, now {key} {clause}")


def _missing(where: str, why: str, settings: Settings) -> Entry:
    """Return the row of a module that cannot be imported, or has no optimizers."""
    from gdprops.runner.conclude import conclude

    return Entry(where, conclude(where, settings, [], {"seconds": 0.0, "cpu_seconds": 0.0}), unusable=why)


def _jobs(modules: Sequence[str], given: Mapping[str, Any]) -> tuple[list[Job], dict[str, str]]:
    """Return the optimizers to examine, and why some of the modules have none; if none has any, that is an error."""
    from gdprops.survey.discovery import accepted, optimizers_in

    found, missing = dict[str, Mapping[str, Any]](), dict[str, str]()
    for where in dict.fromkeys(modules):
        try:
            found[where] = optimizers_in(where)
        except UsageError as error:
            missing[where] = text_of(error)
    if not found:
        raise UsageError("; ".join(missing.values()))
    taken = {name for each in found.values() for factory in each.values() for name in accepted(factory, given)}
    for name in given:
        if name not in taken:
            raise UsageError(f"-p {name}: none of these optimizers takes it")
    return [Job(where, name, given) for where, each in found.items() for name in each], missing


def asked(modules: Sequence[str], given: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """Return as plain data everything on which the result of a survey depends."""
    held = asdict(settings)
    names = ("examples", "seed", "timeout", "strict")
    return {
        "version": __version__,
        "modules": list(modules),
        "packages": versions_of(modules),
        "parameters": {key: repr(value) for key, value in given.items()},
        **{name: held[name] for name in names},
    }
