"""The lines of the user's own code that one step executes, each with the parameters that it has changed."""

from __future__ import annotations

import linecache
import re
import sys
from collections.abc import Mapping
from types import FrameType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gdprops.subjects.user_code.place import is_own

if TYPE_CHECKING:
    from gdprops.model.case import BackpropCase
    from gdprops.subjects.backprop.subject import Backprop

MOST_EXECUTED = 20_000
ASSIGNED = re.compile(r"^\s*([\w.\[\]'\", \-+()]*?)\s*([-+*/]?)=(?!=)(.*)$")


class Line(NamedTuple):
    """An executed line: its file and number, the parameters that it has changed, and the function that it is in."""

    file: str
    number: int
    wrote: tuple[str, ...]
    function: str = ""

    @property
    def text(self) -> str:
        """The line itself."""
        return linecache.getline(self.file, self.number).rstrip()

    @property
    def target(self) -> str:
        """What the line assigns to, without indices; empty where it assigns nothing."""
        found = ASSIGNED.match(self.text)
        return re.sub(r"\[.*", "", found.group(1)).strip() if found else ""

    @property
    def operator(self) -> str:
        """What stands before the equals sign, such as ``+``; empty where the line assigns nothing or a new value."""
        found = ASSIGNED.match(self.text)
        return found.group(2) if found else ""

    @property
    def value(self) -> str:
        """What the line assigns."""
        found = ASSIGNED.match(self.text)
        return found.group(3) if found else self.text

    @property
    def assigned(self) -> str:
        """What the line assigns to, with its indices; empty where it assigns nothing."""
        found = ASSIGNED.match(self.text)
        return found.group(1).strip() if found else ""

    def uses(self, name: str) -> bool:
        """Say whether a name, or an expression such as ``ws[1]``, is used in what the line computes."""
        return bool(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", self.value))


def followed(subject: Backprop, case: BackpropCase) -> list[Line]:
    """Run the step, or the gradients, once, and return the executed lines of the user's own code."""
    run, lines = subject.begin(case), list[Line]()
    watched = subject.functions.watched
    last: dict[FrameType, int] = {}
    shapes = {} if watched is not None else {name: w.shape for name, w in zip(case.names, case.tensors, strict=True)}
    known: dict[tuple[FrameType | None, str], bytes] = {}

    def changed(frame: FrameType) -> tuple[str, ...]:
        found = list[str]()
        for of, values in ((None, _values(run, watched, frame)), (frame, _variables(shapes, frame))):
            for name, value in values.items():
                now = np.asarray(value).tobytes()
                if name not in found and known.get((of, name), now) != now:
                    found.append(name)
                known[of, name] = now
        return tuple(found)

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if not is_own(frame.f_code.co_filename):
            return None
        if event in ("line", "return"):
            wrote, before = changed(frame), last.pop(frame, None)
            if before is not None and len(lines) < MOST_EXECUTED:
                lines.append(Line(frame.f_code.co_filename, before, wrote, frame.f_code.co_qualname))
            if event == "line":
                last[frame] = frame.f_lineno
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        if subject.step is not None:
            run.step(0)
        else:
            run.stated_gradients(0)
    finally:
        sys.settrace(before)
    return lines


def _values(run: Any, watched: Any, frame: FrameType) -> Mapping[str, Any]:
    try:
        return watched(frame) if watched is not None else dict(zip(run.names, run.now(), strict=True))
    except Exception:  # the user's objects, in the middle of a step
        return {}


def _variables(shapes: Mapping[str, tuple[int, ...]], frame: FrameType) -> Mapping[str, Any]:
    """Return the variables of a function that are named and shaped as a parameter."""
    found = {name: frame.f_locals.get(word_of(name)) for name in shapes}
    return {name: w for name, w in found.items() if isinstance(w, np.ndarray) and w.shape == shapes[name]}


def word_of(name: str) -> str:
    """Return by which word a parameter is found in a line: ``params['W1']`` by W1, ``weights[0]`` by weights."""
    key = re.search(r"\['([^']*)'\]$", name)
    return key.group(1) if key else re.sub(r"\[.*", "", name.rpartition(".")[2])
