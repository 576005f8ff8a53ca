"""The table of verdicts: clause and statement, status, decisive examples, worst ratio, and why where it matters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from gdprops.model.clause import Level
from gdprops.model.verdict import Status
from gdprops.report.words import STYLES, decisive, ratio, tally

if TYPE_CHECKING:
    from gdprops.model.verdict import Verdict

WIDE = 110
"""From this many columns on, the statement stands beside the clause's id; below, under it."""


def verdict_table(verdicts: Iterable[Verdict], *, width: int) -> Table:
    """Return the table for a terminal of this width."""
    wide = width >= WIDE
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, expand=False, width=width)
    for heading in ("clause", "statement") if wide else ("clause and statement",):
        table.add_column(heading, ratio=1 if heading != "clause" else None, overflow="fold")
    table.add_column("status")
    table.add_column("decisive", justify="right", no_wrap=True)
    table.add_column("ratio", justify="right", no_wrap=True)
    for verdict in verdicts:
        table.add_row(*_row(verdict, wide=wide))
    return table


def _row(verdict: Verdict, *, wide: bool) -> list[Text]:
    name = Text(verdict.clause, style="bold", no_wrap=wide)
    sentence = Text(verdict.statement)
    note = remark(verdict)
    if note:
        sentence.append("\n" + note, style="italic")
    head = [name, sentence] if wide else [Text("\n").join([name, sentence])]
    status = Text(verdict.status.replace("-", "\n"), style=STYLES[verdict.status])
    return [*head, status, Text(decisive(verdict)), Text(ratio(verdict))]


def remark(verdict: Verdict) -> str:
    """Return why a verdict is what it is, where its status alone does not say so."""
    if verdict.status is Status.VIOLATED:
        return "recommended: fails only with --strict" if verdict.level is Level.RECOMMENDED else ""
    if verdict.status is Status.HELD:
        return ""
    return f"{_opening(verdict.status)}: {verdict.reason or tally(verdict.vacuous_reasons)}"


def _opening(status: Status) -> str:
    return {Status.VACUOUS: "too few decisive examples", Status.NOT_APPLICABLE: "does not apply"}.get(
        status, status.value
    )
