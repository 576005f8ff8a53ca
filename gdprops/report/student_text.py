"""What a student is told of one file, on one screen: the sentence, the line, a case of few numbers, how it was read.

The table of clauses, and what did not apply, is not for this reader; ``-v`` prints it.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from gdprops.model.verdict import Status
from gdprops.report.phrases import STYLES
from gdprops.report.subjects_table import red_of, sentence, status_of
from gdprops.report.summary import advice, note_lines

if TYPE_CHECKING:
    from rich.console import Console

    from gdprops.model.outcome import Outcome
    from gdprops.model.verdict import Verdict

MOST_LINES = 24
"""The longest case that is printed: a longer one is saved, and its path is told."""
STYLE_OF = {"right": Status.HELD, "wrong": Status.VIOLATED, "no verdict": Status.VACUOUS}


def print_student(console: Console, outcome: Outcome) -> None:
    """Print what is told of one file."""
    status = status_of(outcome)
    title = Text(f"{outcome.subject}: {status}", style="bold")
    title.stylize(STYLES[STYLE_OF.get(status, Status.ERROR)], len(outcome.subject) + 2)
    console.print(title)
    console.print(Text(f"  {sentence(outcome)}"))
    red = red_of(outcome)
    if red is not None:
        _print_violation(console, red)
    console.print()
    for line in note_lines(outcome):
        console.print(Text(line.removeprefix("note: ")))
    for line in advice(outcome) if status not in ("right", "no verdict") else ():
        console.print(Text(line))


def _print_violation(console: Console, verdict: Verdict) -> None:
    for place in verdict.places:
        console.print(Text(f"  {place.sentence}"))
        quoted = _line(place.file, place.line)
        if quoted:
            console.print(Text(f"      {place.line} | {quoted}"), soft_wrap=True)
    names = {one.parameter for one in verdict.compared}
    right = sorted(names - set(verdict.blame) - _explained_as_wrong(verdict.explanation or "", names))
    if right and verdict.blame:
        console.print(Text(f"  everything else is right: {', '.join(right)}"))
    if verdict.counterexample is not None:
        lines = verdict.counterexample.python.strip().splitlines()
        console.print()
        console.print(Text("A case to follow by hand:"))
        for line in lines[:MOST_LINES]:
            console.print(Text(f"    {line}"), soft_wrap=True)
        if len(lines) > MOST_LINES:
            console.print(Text(f"    … ({len(lines) - MOST_LINES} more lines: -v prints them)"))
        if verdict.counterexample.replay:
            console.print(Text(f"Run it again: {verdict.counterexample.replay}"), soft_wrap=True)


def _explained_as_wrong(explanation: str, names: Collection[str]) -> set[str]:
    """Return the parameters for which an explanation says what is wrong: ``b1, b2: every entry …; W1: not moved``.

    A parameter may be wrong in other examples than the one that is shown.
    """
    heads = [part.partition(": ")[0].split(", ") for part in explanation.split("; ")]
    return {name for head in heads if all(name in names for name in head) for name in head}


def _line(file: str | None, line: int | None) -> str:
    """Return a line of a file; nothing where it cannot be read, as in a notebook."""
    if file is None or line is None or not file.endswith(".py"):
        return ""
    try:
        return Path(file).read_text(encoding="utf-8", errors="replace").splitlines()[line - 1].strip()
    except (OSError, IndexError):
        return ""
