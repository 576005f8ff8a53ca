"""A fault of the bank, explained: what it does wrong, its code, the right code, and the clauses that refute it.

And a right twin: code that looks suspicious, which no clause may accuse.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.padding import Padding
from rich.text import Text

from gdprops.faults.code_shown import shown

if TYPE_CHECKING:
    from rich.console import Console

    from gdprops.faults.fault import Fault
    from gdprops.model.clause import Clause


def print_fault(console: Console, fault: Fault, clauses: Sequence[Clause]) -> None:
    """Print everything about one fault."""
    code = shown(fault.name)
    parts = [
        ("Wrong", code.wrong),
        (f"Right ({code.right_name})", code.right),
        ("Real bug", fault.source),
        ("Refuted by", "\n".join(clause.id for clause in clauses)),
    ]
    _print(console, fault.name, fault.summary, parts)


def print_twin(console: Console, name: str, code: str) -> None:
    """Print a right twin."""
    _print(console, name, "Right code, which no clause may accuse.", [("Right", code)])


def _print(console: Console, name: str, summary: str, parts: Sequence[tuple[str, str]]) -> None:
    console.print(Text(name, style="bold"))
    console.print(Text(summary))
    for label, text in parts:
        if text:
            console.print()
            console.print(Text(label, style="bold"))
            console.print(Padding(Text(text), (0, 0, 0, 2)))
