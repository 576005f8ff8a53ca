"""Print the table of several subjects, such as the files of a folder: one row each, and a sentence that counts them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from gdprops.model.outcome import Outcome
from gdprops.model.verdict import About, Status, Verdict
from gdprops.model.wording import on_one_line, plural
from gdprops.report.phrases import STYLES
from gdprops.report.summary import note_lines

if TYPE_CHECKING:
    from rich.console import Console


def print_rows(console: Console, outcomes: Sequence[Outcome]) -> None:
    """Print a table with one row for each subject, and a sentence that counts them."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False, width=console.width)
    table.add_column("subject", overflow="fold", max_width=max(16, console.width * 3 // 10))
    table.add_column("status", no_wrap=True)
    table.add_column("what was found", overflow="fold", ratio=1)
    for outcome in outcomes:
        status, style = _status(outcome)
        table.add_row(Text(outcome.subject), Text(status, style), Text(found(outcome)))
    console.print(table)
    console.print()
    for outcome in outcomes:
        for line in note_lines(outcome):
            console.print(Text(f"{outcome.subject}: {line}"))
    console.print(Text(summary(outcomes), style="bold"))


def _status(outcome: Outcome) -> tuple[str, str]:
    if outcome.refused:
        return "unusable", "yellow"
    status = {0: Status.HELD, 1: _red(outcome).status, 3: Status.ERROR, 5: Status.VACUOUS}[outcome.exit_code]
    return status.value, STYLES[status]


def _red(outcome: Outcome) -> Verdict:
    """Return the verdict that a row shows: the primary violation, else the first red verdict."""
    subject = outcome.of(About.SUBJECT)
    red = [v for v in subject if (v.failed_strictly if outcome.strict else v.failed)]
    return min(red or subject, key=lambda v: (v.status is not Status.VIOLATED, not v.also))


def found(outcome: Outcome) -> str:
    """Return in one line what was found: the primary violated clause, and what the subject does instead."""
    if outcome.refused:
        return outcome.refused
    if outcome.exit_code == 1:
        red = _red(outcome)
        return f"{red.clause}: {_told(red)}"
    if outcome.exit_code == 3:
        return "a bug of gdprops: please report it, with what gdprops check prints for this subject alone"
    return f"{plural(outcome.held, 'clause')} held" if outcome.held else "no clause held: nothing was shown"


def _told(verdict: Verdict) -> str:
    """Return the explanation of a violation, else its reason, else the names of the wrong parameters."""
    said = verdict.explanation or verdict.reason or f"wrong: {', '.join(verdict.blame)}"
    return on_one_line(said)


def summary(outcomes: Sequence[Outcome]) -> str:
    """Return one sentence: how many subjects there are, and how many of each status."""
    counts = dict[str, int]()
    for outcome in outcomes:
        status = _status(outcome)[0]
        counts[status] = counts.get(status, 0) + 1
    return f"{plural(len(outcomes), 'subject')}: {', '.join(f'{n} {status}' for status, n in counts.items())}."
