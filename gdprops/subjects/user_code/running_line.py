"""Which line of the user's code is running: the innermost frame outside torch, the libraries and gdprops itself.

The deliberately wrong scripts in `gdprops.faults` count as a user's code.
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from types import FrameType

from gdprops.model.code_place import Place
from gdprops.subjects.user_code.place import PACKAGE, is_own, shown_path

WATCHING = str(Path(PACKAGE) / "watching")


@cache
def is_users(file: str) -> bool:
    """Say whether a file is the user's own code."""
    return is_own(file) or file.startswith(f"{PACKAGE}/faults")


def user_frame(depth: int = 1) -> FrameType | None:
    """Return the innermost frame of the user's own code, None where there is none."""
    frame: FrameType | None = sys._getframe(depth)
    while frame is not None and not is_users(frame.f_code.co_filename):
        frame = frame.f_back
    return frame


def user_place() -> Place | None:
    """Return the innermost line of the user's own code, None where there is none."""
    frame = user_frame(2)
    return None if frame is None else Place(_shown(frame.f_code.co_filename), frame.f_lineno)


def called_by_user() -> FrameType | None:
    """Return the frame that the running line of the user's code has called: one for all that one run of it does."""
    frame: FrameType | None = sys._getframe(1)
    called = None
    while frame is not None and not is_users(frame.f_code.co_filename):
        frame, called = frame.f_back, frame
    return called


@cache
def _shown(file: str) -> str:
    return shown_path(file)


def is_called_by_user() -> bool:
    """Say whether it is the user's own code, and no library, that has called into gdprops here."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(WATCHING):
        frame = frame.f_back
    return frame is not None and is_users(frame.f_code.co_filename)


def variable_of(value: object) -> str | None:
    """Return the name under which the user's running code knows an object, None where it has none."""
    frame = user_frame(2)
    if frame is None:
        return None
    for names in (frame.f_locals, frame.f_globals):
        for name, found in list(names.items()):
            if found is value and name != "self" and not name.startswith("_"):
                return name
    return None
