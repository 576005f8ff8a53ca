"""What a clause of the chapter `live` finds wrong in a watched run: one sentence, and where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from gdprops.model.code_place import Place
from gdprops.model.level import Level


@final
@dataclass(frozen=True, slots=True)
class LiveFinding:
    """One finding, as plain data.

    Attributes:
        clause: The id of the clause.
        level: Required findings are errors; recommended ones are notes, which fail only with ``--strict``.
        sentence: What is wrong, with the lines.
        parameters: The parameters that it is about, by their names in the model.
        step: At which step it was first seen, counted from 1, or None.
        places: The lines of the user's code that it is about.
    """

    clause: str
    level: Level
    sentence: str
    parameters: tuple[str, ...] = ()
    step: int | None = None
    places: tuple[Place, ...] = ()
