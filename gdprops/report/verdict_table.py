"""Make the table of verdicts: clause and statement, status, decisive examples, worst ratio, and a remark."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich import box
from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from gdprops.model.clause import Level
from gdprops.model.verdict import Status
from gdprops.report.phrases import decisive, ratio, style_of, tally

if TYPE_CHECKING:
    from rich.console import RenderableType

    from gdprops.model.verdict import Verdict

WIDE = 110
"""If the terminal has at least this many columns, the statement is beside the clause's id, else below it."""


def verdict_table(verdicts: Iterable[Verdict], *, width: int, statements: bool = True) -> Table:
    """Return the table of verdicts for a terminal of this width, with or without the clauses' statements."""
    wide = width >= WIDE
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False, width=width)
    second = "statement" if statements else "remark"
    for heading in ("clause", second) if wide else (f"clause and {second}",):
        table.add_column(heading, ratio=1 if heading != "clause" else None, overflow="fold")
    table.add_column("status")
    table.add_column("decisive", justify="right", no_wrap=True)
    table.add_column("ratio", justify="right", no_wrap=True)
    for verdict in verdicts:
        table.add_row(*_row(verdict, wide=wide, statements=statements))
    return table


def _row(verdict: Verdict, *, wide: bool, statements: bool) -> list[RenderableType]:
    name = Text(verdict.clause, style="bold", no_wrap=wide)
    sentence = Text(verdict.statement if statements else "")
    note = remark(verdict)
    if note:
        sentence.append("\n" * statements + note, style="italic")
    below = [Padding(sentence, (0, 0, 0, 2))] * bool(sentence.plain)
    head = [name, sentence] if wide else [Group(name, *below)]
    status = verdict.status if wide else verdict.status.replace("-", "\n")
    return [*head, Text(status, style_of(verdict)), Text(decisive(verdict)), Text(ratio(verdict))]


def remark(verdict: Verdict) -> str:
    """Return the reason of a verdict that is neither held nor violated; a violated recommendation gets a note."""
    if verdict.status is Status.VIOLATED:
        return "recommended: fails only with --strict" if verdict.level is Level.RECOMMENDED else ""
    if verdict.status is Status.HELD:
        return ""
    return f"{_opening(verdict.status)}: {_short(verdict)}"


def _short(verdict: Verdict) -> str:
    reason = verdict.reason or tally(verdict.vacuous_reasons)
    return reason.strip().splitlines()[-1] if reason.strip() else reason  # the last line of a traceback


def _opening(status: Status) -> str:
    return {Status.VACUOUS: "not decided", Status.NOT_APPLICABLE: "does not apply"}.get(status, status.value)
