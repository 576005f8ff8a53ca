"""Write the report files that a run is asked for.

Before the run, `Files.require` checks that all of them can be written. They are written after it, even if the run was
interrupted.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, final

import click

from gdprops.errors import UsageError
from gdprops.report.annotations import INSIDE, annotation_lines

if TYPE_CHECKING:
    from gdprops.model.outcome import Outcome

Writer = Callable[[str, "Sequence[Outcome]"], None]
WRITERS = {
    "json": "gdprops.report.json_file:write_json",
    "junit": "gdprops.report.junit_file:write_junit",
    "markdown": "gdprops.report.markdown_file:write_markdown",
    "html": "gdprops.report.html_file:write_html",
    "figures": "gdprops.report.pictures:write_figures",
    "csv": "gdprops.report.csv_file:write_csv",
    "sarif": "gdprops.report.sarif_file:write_sarif",
}
NEEDED = {"html": ("jinja2", "matplotlib"), "figures": ("matplotlib",)}
"""The packages that a form of the report needs; the extra ``report`` installs them."""
STEP_SUMMARY = "GITHUB_STEP_SUMMARY"


@final
@dataclass(frozen=True, slots=True)
class Files:
    """The path of each form of the report, None for a form that is not wanted. ``figures`` is a folder."""

    json: str | None = None
    junit: str | None = None
    markdown: str | None = None
    html: str | None = None
    figures: str | None = None
    csv: str | None = None
    sarif: str | None = None

    def _asked(self) -> Iterator[tuple[str, str]]:
        for field in fields(self):
            path = getattr(self, field.name)
            if path is not None:
                yield field.name, path

    def __bool__(self) -> bool:
        return any(self._asked())

    def require(self, prefix: str = "--") -> None:
        """Raise `UsageError` for a path that cannot be written, or a form whose packages are not installed."""
        for form, path in self._asked():
            missing = [name for name in NEEDED.get(form, ()) if find_spec(name) is None]
            if missing:
                raise UsageError(f"{prefix}{form} needs {' and '.join(missing)}: pip install 'gdprops[report]'")
            (ensure_folder if form == "figures" else ensure_writable)(path, f"{prefix}{form}")

    def write(self, outcomes: Sequence[Outcome], *, summary: str | None = None, prefix: str = "--") -> bool:
        """Write every file that was asked for; in a GitHub workflow, also its annotations and the step's summary.

        Return whether all of them were written; of one that was not, one line is printed. ``summary`` is the Markdown
        for the step, if that of the runs would be too long.
        """
        failed = False
        for form, path in self._asked():
            module, _, name = WRITERS[form].partition(":")
            writer: Writer = getattr(import_module(module), name)
            try:
                writer(path, outcomes)
            except OSError as error:
                _complain(error, f"{prefix}{form} {path}")
                failed = True
        if os.environ.get(INSIDE) == "true":
            for line in annotation_lines(outcomes):
                click.echo(line, err=True)
        step = os.environ.get(STEP_SUMMARY)
        if step and outcomes:
            from gdprops.report.markdown_file import markdown

            _append(step, markdown(outcomes) if summary is None else summary)
        return not failed


def _complain(error: OSError, what: str) -> None:
    click.echo(f"gdprops: error: {what}: cannot be written ({error.strerror or error})", err=True)


def _append(path: str, text: str) -> None:
    """Append a text to the summary of a GitHub step. If that fails, print a warning: the result of the run is valid."""
    try:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        click.echo(f"gdprops: warning: {STEP_SUMMARY}: cannot be written ({error.strerror or error})", err=True)


def ensure_writable(path: str, option: str = "--json") -> None:
    """Raise `UsageError` if the file cannot be written. It is called before a run, so that no result is lost."""
    target = Path(path)
    try:
        existed = target.exists()
        target.open("a").close()
    except OSError as error:
        raise UsageError(f"{option} {path}: cannot be written ({error.strerror or error})") from None
    if not existed:
        target.unlink(missing_ok=True)


def ensure_folder(path: str, option: str) -> None:
    """Create a folder. Raises `UsageError` if it cannot be created or written to."""
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{option} {path}: cannot be written ({error.strerror or error})") from None
    ensure_writable(str(Path(path) / ".gdprops"), option)
