"""How a crash of the user's code reads in a sentence: what raised, where, and with which words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdprops.model.note import Note
from gdprops.model.wording import on_one_line
from gdprops.subjects.user_code.place import place_of

if TYPE_CHECKING:
    from gdprops.errors import SubjectCrash

FAULTS_OF_THE_CODE = (NameError, ImportError)
"""Exceptions (UnboundLocalError is a NameError) that no other network, batch or form of feeding cures."""


def said_of(crash: SubjectCrash) -> str:
    """Return what raised, where, and the error's text, on one line."""
    error, place = crash.error, place_of(crash.error)
    at = "" if place is None else f" at {place}"
    return f"{crash.doing} raised {type(error).__name__}{at}: {on_one_line(error)}"


def raised_for_a_while(crash: SubjectCrash) -> Note:
    """Return the note on a subject that raised at first, and not when the same step was taken again later."""
    return Note(f"not every run is alike: {said_of(crash)}; taken again later, the same step did not raise")
