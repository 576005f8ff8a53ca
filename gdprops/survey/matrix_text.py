"""Print a survey on the terminal: a row per optimizer, then the causes of red verdicts, then the changes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from gdprops.model.verdict import ALARMING, Status
from gdprops.model.wording import plural
from gdprops.survey.causes import causes

if TYPE_CHECKING:
    from rich.console import Console

    from gdprops.survey.survey_data import Change, Entry, Survey

HEADINGS = ("held", "red", "vacuous", "n/a")
KNOWN = {"separability": "separability", "rate": "lr_response"}
"""The traits that have a column in the table: the heading and the key of the trait."""
NARROW = 72
"""In a terminal with fewer columns, the table has only the names and the counts of held and red clauses."""


def print_survey(console: Console, survey: Survey) -> None:
    """Print the table, a line for each cause of red verdicts, and the summary."""
    console.print(_table(survey, width=console.width))
    for entry in survey.entries:
        _print_red(console, entry)
    console.print(Text(summary(survey), style="bold"))


def _table(survey: Survey, *, width: int) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, width=min(width, 120))
    table.add_column("optimizer", overflow="fold", ratio=1)
    known = KNOWN if width >= NARROW else {}
    for heading in known:
        table.add_column(heading, overflow="fold")
    for heading in (*HEADINGS, "CPU s") if width >= NARROW else HEADINGS[:2]:
        table.add_column(heading, justify="right", no_wrap=True)
    for where, entries in groupby(survey.entries, key=lambda entry: entry.key.rpartition(":")[0] or entry.key):
        table.add_row(Text(where, style="italic"))
        for entry in entries:
            name, *numbers, seconds = _row(entry)
            kept = [*numbers, seconds] if width >= NARROW else numbers[:2]
            table.add_row(name, *(Text(entry.traits.get(key, "")) for key in known.values()), *kept)
    return table


def _row(entry: Entry) -> list[Text]:
    count = {status: sum(v.status is status for v in entry.outcome.verdicts) for status in Status}
    red = sum(count[status] for status in ALARMING)
    name = Text(f"  {entry.key.rpartition(':')[2]}", style="bold red" if entry.failed else "")
    if entry.unusable or entry.aborted:
        name.append(" (not examined)" if entry.unusable else " (aborted)", style="dim")
    numbers = [count[Status.HELD], red, count[Status.VACUOUS], count[Status.NOT_APPLICABLE]]
    seconds = f"{entry.outcome.timing.get('cpu_seconds', 0.0):.1f}"
    return [name, *(Text(str(n) if n else "") for n in numbers), Text(seconds)]


def _print_red(console: Console, entry: Entry) -> None:
    if entry.unusable:
        console.print(Text(f"{entry.key}: not examined: {entry.unusable}"))
    if entry.aborted:
        console.print(Text(f"{entry.key}: aborted: {entry.aborted}", style="red"))
    for line in causes(entry.outcome.verdicts):
        console.print(Text(f"{entry.key}: {line}"))


def summary(survey: Survey) -> str:
    """Return one sentence: how many were examined, how many are red, how many could not be examined."""
    examined = [entry for entry in survey.entries if not entry.unusable]
    aborted = sum(bool(entry.aborted) for entry in examined)
    red = sum(entry.failed for entry in examined) - aborted
    rest = len(survey.entries) - len(examined)
    unusable = (f", {aborted} aborted" if aborted else "") + (f", {rest} could not be examined" if rest else "")
    unfinished = "" if survey.complete else " (interrupted: the same command continues from its --json file)"
    return f"{plural(len(examined), 'optimizer')} examined, {red} with a failed required clause{unusable}.{unfinished}"


def print_changes(console: Console, changed: Sequence[Change], old: str) -> None:
    """Print what differs from an older survey, new violations first."""
    new = sum(change.is_new_violation for change in changed)
    told = f"compared with {old}: {plural(len(changed), 'change')}, {plural(new, 'new violation')}"
    console.print(Text(told, style="bold"), soft_wrap=True)
    for change in sorted(changed, key=lambda change: not change.is_new_violation):
        before, after = (status.value if status else "no verdict" for status in (change.before, change.after))
        style = "bold red" if change.is_new_violation else ""
        console.print(Text(f"{change.key}: {change.clause}: {before} -> {after}", style=style))
