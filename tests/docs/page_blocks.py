"""Reads a page of the documentation as what it shows: code to run, commands to type, and what they print.

- ```` ```python ```` runs; with ``title="name.py"`` it is written to that file first, and runs only where it says so.
- ```` ```sh ```` is typed: every line begins with ``gdprops``. ``<!-- exit 1 -->`` above it says how the last line
  ends, and ``<!-- not run: reason -->`` that the block, of any language, is not run, and why; ``<!-- raises Name -->``
  above Python that it ends in that exception, whose text is then what it prints.
- ```` ```text ```` is what the block above it prints; a line ``…`` stands for any lines, and … for any words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import final

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "pages"
_BLOCK = re.compile(
    r"(?:^<!-- (?P<note>[^\n]*?) -->\n)?^(?P<indent> *)```(?P<language>\w+)(?: title=\"(?P<title>[^\"]*)\")?\n"
    r"(?P<text>.*?)^(?P=indent)```$",
    re.DOTALL | re.MULTILINE,
)


@final
@dataclass(frozen=True, slots=True)
class Block:
    """One block of a page. ``exit_code`` is that of its last command; ``not_run`` is the reason, empty if it runs.

    ``raises``: the name of the exception that it ends in, empty if it ends well.
    """

    language: str
    text: str
    title: str
    exit_code: int
    not_run: str
    raises: str = ""


def blocks_of(text: str) -> list[Block]:
    """Return the blocks of a page, in order."""
    found = []
    for match in _BLOCK.finditer(text):
        note = match["note"] or ""
        exit_code = int(note.removeprefix("exit ")) if note.startswith("exit ") else 0
        not_run = note.removeprefix("not run: ") if note.startswith("not run: ") else ""
        raises = note.removeprefix("raises ") if note.startswith("raises ") else ""
        found.append(Block(match["language"], match["text"], match["title"] or "", exit_code, not_run, raises))
    return found


def says(printed: str, shown: str) -> str | None:
    """Return the first shown line that was not printed where it should be, None if all were."""
    lines, at, anywhere = printed.strip().splitlines(), 0, False
    for line in shown.strip().splitlines():
        if line.strip() == "…":
            anywhere = True
            continue
        pattern = re.compile(".*".join(map(re.escape, line.rstrip().split("…"))))
        places = range(at, len(lines)) if anywhere else range(at, at + 1)
        place = next((k for k in places if k < len(lines) and pattern.fullmatch(lines[k].rstrip())), None)
        if place is None:
            return line
        at, anywhere = place + 1, False
    return None if anywhere or at == len(lines) else lines[at]
