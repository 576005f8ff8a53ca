"""A fault of the bank, explained: what it does wrong, its code, the right code, and the clauses that refute it."""

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
    console.print(Text(fault.name, style="bold"))
    console.print(Text(fault.summary))
    for label, text in parts:
        if text:
            console.print()
            console.print(Text(label, style="bold"))
            console.print(Padding(Text(text), (0, 0, 0, 2)))
