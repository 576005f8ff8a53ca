"""Where a rank stands, from the stack that it has written down: the line of the user's code, and what it waits in."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from gdprops.subjects.user_code.place import is_own, shown_path

_FRAME = re.compile(r'^  File "(.*)", line (\d+) in (.*)$', re.MULTILINE)
_MAIN = re.compile(r"^(?:Current t|T)hread 0x.*$", re.MULTILINE)
CLASH = re.compile(r"(\d+) vs (\d+)\. Received data size doesn't match expected size")
"""What gloo prints before it ends a process that was sent the numbers of another collective."""
TORCH = "site-packages/torch/"
WRAPPING = ("wrapper", "inner", "_call_impl", "_wrapped_call_impl")
"""Functions of torch that only call another one."""


class Standing(NamedTuple):
    """Where a rank stands: the user's line, the function of torch that it is in, and whether it is inside torch."""

    place: str
    function: str
    in_torch: bool

    @property
    def told(self) -> str:
        """The place in words."""
        inside = f"{self.function}, " if self.function else ""
        return f"{inside}at {self.place}" if self.place else inside.rstrip(", ") or "somewhere outside your code"


def standing(path: Path) -> Standing:
    """Return where the newest stack in a rank's file says that its main thread stands."""
    try:
        said = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        said = ""
    threads = _MAIN.split(said)
    frames = _FRAME.findall(threads[-1]) if threads else []
    own = next((k for k, (file, _, _) in enumerate(frames) if is_own(file)), len(frames))
    inner = [name for file, _, name in frames[:own] if _is_torch(file) and name not in WRAPPING]
    place = f"{shown_path(frames[own][0])}:{frames[own][1]}" if own < len(frames) else ""
    return Standing(place, inner[-1] if inner else "", bool(frames) and _is_torch(frames[0][0]))


def clash_in(path: Path) -> str:
    """Return what a rank was sent that belongs to another collective, as gloo has printed it; empty where nothing."""
    try:
        found = CLASH.search(path.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return ""
    return f"is sent {found[1]} bytes where it expects {found[2]}" if found else ""


def _is_torch(file: str) -> bool:
    return TORCH in file
