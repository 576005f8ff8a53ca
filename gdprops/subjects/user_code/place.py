"""Where in the user's code an exception was raised: the innermost frame that is neither gdprops' nor a library's."""

from __future__ import annotations

import sysconfig
import traceback
from pathlib import Path

from gdprops.model.code_place import Place

PACKAGE = str(Path(__file__).parents[2])
LIBRARIES = tuple({sysconfig.get_path(name) for name in ("purelib", "platlib", "stdlib")})


def is_own(file: str) -> bool:
    """Say whether a file is the user's own code: neither gdprops' nor a library's, nor made up by Python."""
    return not file.startswith((PACKAGE, *LIBRARIES, "<"))


def place_of(error: BaseException) -> Place | None:
    """Return the innermost frame of the user's own code, else the innermost one outside gdprops, if there is one."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith(PACKAGE)]
    own = [f for f in frames if is_own(f.filename)]
    for frame in reversed(own or frames):
        return Place(shown_path(frame.filename), frame.lineno or 0)
    return None


def is_raised_by_gdprops(error: BaseException) -> bool:
    """Say whether gdprops itself raised an exception, and not code that has imported the exception's class."""
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    return at is None or at.tb_frame.f_code.co_filename.startswith(PACKAGE)


def shown_path(file: str) -> str:
    """Return a path as a person typed it: below the working directory without the way to there."""
    try:
        return str(Path(file).relative_to(Path.cwd()))
    except ValueError:
        return file
