"""Draw the block of one fault as text: for the terminal, and for a test of pytest or JUnit that fails with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from gdprops.model.clause import Level
from gdprops.model.verdict import About
from gdprops.report.consoles import to_text
from gdprops.report.fault_block import fault_block
from gdprops.report.phrases import place, style_of

if TYPE_CHECKING:
    from rich.console import Console

    from gdprops.model.verdict import Verdict
    from gdprops.report.fault_block import FaultBlock


def print_block(console: Console, block: FaultBlock, *, subject: str = "") -> None:
    """Print the block of a fault, with the ``subject`` where nothing above names it."""
    console.print(Text(block.title, style=style_of(block.verdict)))
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for label, value in [*block.facts, *([("subject", subject)] if subject else [])]:
        grid.add_row(Text(label, style="dim"), Text(value))
    console.print(grid)
    if block.replay:
        console.print(Text(block.replay), soft_wrap=True)
    if block.traceback:
        console.print(Text(block.traceback), soft_wrap=True)
    if block.script:
        console.print(Text("\nThe shrunk case, as runnable Python:\n"))
        console.print(Text(block.script), soft_wrap=True)
    if block.doubt:
        console.print(Text(f"Note: {block.doubt}"), soft_wrap=True)


def violation_text(verdict: Verdict, *, subject: str, width: int = 100) -> str:
    """Return a violated, aborted or erroneous verdict in full as plain text."""
    named = subject if verdict.about is About.SUBJECT else ""
    return to_text(lambda console: print_block(console, fault_block(verdict), subject=named), width=width)


def one_line(verdict: Verdict) -> str:
    """Return a red verdict in one line: the clause, what is wrong, and where."""
    said = [f"{verdict.clause} {verdict.status}{' (recommended)' * (verdict.level is Level.RECOMMENDED)}"]
    if verdict.location is not None:
        where = verdict.location
        said.append(f"{place(where)}: seen {where.seen}, expected {where.expected}")
    said += [part for part in (verdict.explanation, verdict.reason) if part]
    return " ".join("; ".join(said).split())
