"""Tell a GitHub workflow what is wrong and where: it shows the sentence at the line, beside the change.

Example: ``::error file=train.py,line=12,title=step.once::step(inputs, targets) raised TypeError at train.py:12: ...``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gdprops.model.ending import Ending, ending_of
from gdprops.report.fault_block import fault_blocks
from gdprops.report.phrases import found_in_short
from gdprops.report.user_lines import lines_of

if TYPE_CHECKING:
    from gdprops.model.note import Note
    from gdprops.model.outcome import Outcome
    from gdprops.model.verdict import Verdict

INSIDE = "GITHUB_ACTIONS"
"""A GitHub workflow sets this variable to ``true``."""


def annotation_lines(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Yield a line for each fault whose place is known; a violated recommendation is a warning."""
    for outcome in outcomes:
        for block in fault_blocks(outcome):
            place = next(iter(lines_of(block.verdict)), None)
            if place is not None:
                yield _annotation(block.verdict, place, outcome.subject)


def _annotation(verdict: Verdict, place: Note, subject: str) -> str:
    command = "warning" if ending_of(verdict) is Ending.ADVISED else "error"
    facts = {"file": _relative(place.file or ""), "line": str(place.line or 1), "title": f"gdprops: {verdict.clause}"}
    told = ",".join(f"{name}={_escaped(value, ':,')}" for name, value in facts.items())
    return f"::{command} {told}::{_escaped(f'{subject}: {found_in_short(verdict)}')}"


def _relative(file: str) -> str:
    """Return a path as GitHub knows it, below the working directory."""
    whole = Path(file).resolve()
    return whole.relative_to(Path.cwd()).as_posix() if whole.is_relative_to(Path.cwd()) else file


def _escaped(text: str, more: str = "") -> str:
    """Return a text with the characters escaped that end a workflow command or one of its properties."""
    for character in f"%\r\n{more}":
        text = text.replace(character, f"%{ord(character):02X}")
    return text
