"""How far the user's function got before it raised: of many forms tried, the one that got farthest shows the fault.

A form that does not fit fails early, on shapes that do not match. What fails in a later line, or because a name is not
defined, fails for the user's own reason, and that is what the user must read.
"""

from __future__ import annotations

import traceback
from typing import Any, NamedTuple

from gdprops.errors import SubjectCrash
from gdprops.subjects.user_code.crashes import FAULTS_OF_THE_CODE

OF_THE_CODE = (*FAULTS_OF_THE_CODE, SyntaxError, RecursionError)
"""What no form of the data cures; a local variable that is read before it is set is a `NameError` too."""


class Reached(NamedTuple):
    """Whether the error is the code's own, whatever the form, and the lines in which the functions stood.

    The outermost line comes first: ``loss`` in line 4, and what it called in line 1.
    """

    is_of_the_code: bool = False
    lines: tuple[int, ...] = ()


NOWHERE = Reached()


def reached(crash: SubjectCrash, *functions: Any) -> Reached:
    """Return how far the user's functions got before a crash."""
    files = {code.co_filename for f in functions if (code := getattr(f, "__code__", None)) is not None}
    frames = traceback.extract_tb(crash.error.__traceback__)
    lines = tuple(frame.lineno or 0 for frame in frames if frame.filename in files)
    return Reached(isinstance(crash.error, OF_THE_CODE), lines)
