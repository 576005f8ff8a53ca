"""Choose the script that is printed: it is run first, and must fail in its last line.

A script ends in an assertion of what the clause demands, or in the exception that the subject raises. The writers of
scripts propose several; the first one that fails as it should is printed, with a heading. If none does, nothing is
printed.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING

from gdprops.errors import SubjectCrash, SubjectStopped
from gdprops.subjects.script_lines import Written, heading
from gdprops.subjects.user_code.fresh_interpreter import fails_in_its_last_line
from gdprops.subjects.user_code.isolation import isolated

if TYPE_CHECKING:
    from gdprops.model.subject import Subject

FILE = "<the printed script>"
MOST_TRIED, MOST_AFRESH = 60, 2
"""How many proposals are tried in this process, and in an interpreter of their own."""
SECONDS = 20.0
"""How long such an interpreter may run."""


def printed(proposals: Iterable[Written], subject: Subject, clause: str, reason: str) -> str:
    """Return the first script that fails in its last line, empty if none does.

    ``reason``: what the report says of the violation; it names the exception in which a script may end.
    """
    for written in islice(proposals, MOST_TRIED):
        if written.admits:
            return "\n".join([*written.head, *written.body]) + "\n"
        error, line = _failed(written, subject)
        if error is None:
            continue
        if written.crashes and type(error).__name__ in reason:
            return _headed(written, subject, clause, written.body[:line], type(error).__name__)
        if isinstance(error, AssertionError) and line == len(written.body) and not written.crashes:
            return _headed(written, subject, clause, written.body, "")
    return ""


def printed_afresh(proposals: Iterable[Written], subject: Subject, clause: str) -> str:
    """Return the first script that fails in its last line in an interpreter of its own, empty if none does.

    In this process the user's code may remember its earlier calls. Starting an interpreter takes a second or two, so
    only a few proposals are tried.
    """
    for written in islice(proposals, MOST_AFRESH):
        body = [line for line in written.body if not line.startswith("# ->")]  # there the numbers are others
        if not written.bound and fails_in_its_last_line("\n".join([*written.head, *body]), seconds=SECONDS):
            return _headed(written, subject, clause, body, "")
    return ""


def _headed(written: Written, subject: Subject, clause: str, body: list[str], raises: str) -> str:
    head = heading(subject.name, subject.spec, written.dtypes, clause, raises)
    return "\n".join([head, *written.head, *body]) + "\n"


def _failed(written: Written, subject: Subject) -> tuple[BaseException | None, int]:
    """Return the exception that a script ends in, None if it runs to its end, and the number of its line in the body.

    Where importing would run the user's file again, the names in ``written.bound`` stand for the imports.
    """
    above = [] if written.bound else written.head
    try:
        code = compile("\n".join([*above, *written.body]), FILE, "exec")
        with isolated(), contextlib.redirect_stdout(io.StringIO()), subject.calls.to("the printed script"):
            exec(code, {"__name__": "counterexample", **written.bound})  # the subject's calls, on numbers of ours
    except SubjectCrash as crash:
        return crash.error, _line_of(crash.error) - len(above)
    except (SyntaxError, SubjectStopped):
        return None, 0
    return None, 0


def _line_of(error: BaseException) -> int:
    """Return the line of the script at which an exception was raised."""
    place = error.__traceback__
    while place is not None and place.tb_frame.f_code.co_filename != FILE:
        place = place.tb_next
    return 0 if place is None else place.tb_lineno
