"""The lines of the user's files that a violation is in, as far as they are known.

An explanation names them, a finding of a watched run does, and so does the text of an exception or of a crash:
"step(inputs, targets) raised TypeError at train.py:12: ...".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from gdprops.model.note import Note, distinct

if TYPE_CHECKING:
    from gdprops.model.verdict import Verdict

SUFFIXES = (".py", ".ipynb")
RAISED_AT = re.compile(r"\bat ((?:(?! at ).)+?\.(?:py|ipynb)):(\d+)")
"""How the text of an exception or a crash names the line that it came from."""
NAMED = re.compile(r"\(([^()\s]+\.(?:py|ipynb)):(\d+)\)")
"""How a sentence names the line of which it speaks: "critic (train.py:12) applies what actor's backward …"."""


def lines_of(verdict: Verdict) -> tuple[Note, ...]:
    """Return the lines that a violation is in, each with what happens there; the most telling one is first."""
    return distinct((*verdict.places, *_found(verdict))) or tuple(_raised(verdict))


def file_of(subject: str) -> Note | None:
    """Return the file of a subject such as ``train.py:build``, None for one that is named by a module."""
    path = Path(subject.rpartition(":")[0] or subject)
    return Note("the subject's file", str(path)) if path.suffix in SUFFIXES and path.is_file() else None


def shown_lines(verdict: Verdict) -> list[str]:
    """Return those of the lines that no other sentence of the report names already."""
    return [place.sentence for place in verdict.places if place.sentence not in (verdict.explanation or "")]


def _found(verdict: Verdict) -> Iterator[Note]:
    for finding in verdict.findings:
        yield from (Note(finding.sentence, place.file, place.line) for place in finding.places)


def _raised(verdict: Verdict) -> Iterator[Note]:
    reason = " ".join(verdict.reason.split())
    for pattern, what in ((RAISED_AT, "raised, or ended, here"), (NAMED, "named in the reason")):
        for match in pattern.finditer(reason):
            if Path(match[1]).is_file():
                yield Note(what, match[1], int(match[2]))
