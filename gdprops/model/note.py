"""Something that a run tells its reader beside the verdicts: it changes no verdict and no exit code."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import final


@final
@dataclass(frozen=True, slots=True)
class Note:
    """One sentence, and the place in the user's code that it is about, where one is known."""

    text: str
    file: str | None = None
    line: int | None = None

    @property
    def sentence(self) -> str:
        """The note as reports print it: the text, and behind it the place."""
        where = "" if self.file is None else f" ({self.file}{'' if self.line is None else f':{self.line}'})"
        return f"{self.text}{where}"


def distinct(notes: Iterable[Note]) -> tuple[Note, ...]:
    """Return every note once, in the order of their first occurrence."""
    return tuple(dict.fromkeys(notes))
