"""The explanation of a violation: one sentence, the clause that it belongs to and its number of fitted constants."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, final

from gdprops.model.note import Note


@final
@dataclass(frozen=True, slots=True)
class Explanation:
    """One sentence that says what a wrong subject does instead.

    Attributes:
        text: The sentence.
        clause: The id of the clause that the described behavior violates; empty where no cause is proved.
        places: The lines of the user's file that the violation is in.
        constants: How many constants of the sentence were fitted to the data; None where no cause is proved.
        holds_in: Says whether the sentence is true of a subject in further examples; None where that is not known.
    """

    text: str
    clause: str = ""
    constants: int | None = None
    places: tuple[Note, ...] = ()
    holds_in: Callable[[Any, Iterable[Any]], bool] | None = field(default=None, compare=False, repr=False)
