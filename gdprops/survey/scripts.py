"""Print the shortest script of every violation of a survey: plain Python for an issue tracker, without gdprops.

A script was run before it is printed, and fails in its last line. Violations of one optimizer with one cause share a
script. A script is a place to begin: read the package's source before you report anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gdprops.model.clause import Level
from gdprops.model.verdict import Status
from gdprops.survey.causes import cause_of

if TYPE_CHECKING:
    from gdprops.model.verdict import Verdict
    from gdprops.survey.survey_data import Entry, Survey

WITHOUT = "# gdprops found no script that shows it; gdprops replay shows the saved case"


def scripts_text(survey: Survey) -> str:
    """Return the scripts of all required violations, each under its optimizer, the versions and the clauses."""
    versions = ", ".join(f"{name} {version}" for name, version in survey.asked.get("packages", {}).items())
    parts = [_part(entry, group, versions) for entry in survey.entries for group in _groups(entry)]
    return "\n".join(parts)


def _groups(entry: Entry) -> Iterator[list[Verdict]]:
    """Yield the required violations of an optimizer, grouped by their cause."""
    found: dict[str, list[Verdict]] = {}
    for verdict in entry.outcome.verdicts:
        if verdict.status is Status.VIOLATED and verdict.level is Level.REQUIRED:
            found.setdefault(cause_of(verdict), []).append(verdict)
    yield from found.values()


def _part(entry: Entry, verdicts: list[Verdict], versions: str) -> str:
    scripts = [v.counterexample.python for v in verdicts if v.counterexample is not None and v.counterexample.python]
    clauses = ", ".join(verdict.clause for verdict in verdicts)
    head = f"# {entry.key} ({versions}): {clauses}\n" if versions else f"# {entry.key}: {clauses}\n"
    return head + (min(scripts, key=_length) if scripts else f"{WITHOUT}\n")


def _length(script: str) -> tuple[int, int]:
    return script.count("\n"), len(script)
