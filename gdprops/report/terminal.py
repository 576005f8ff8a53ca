"""Print the report of one run: the answer, what fails, a line for each chapter, advice, and the answer again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from gdprops.model.outcome import WATCHED
from gdprops.model.verdict import About
from gdprops.report.answer import answer_of
from gdprops.report.consoles import to_text
from gdprops.report.student_text import print_student
from gdprops.report.subjects_table import is_for_students
from gdprops.report.verdict_table import verdict_table
from gdprops.report.violation_text import print_block

if TYPE_CHECKING:
    from rich.console import Console

    from gdprops.model.outcome import Outcome
    from gdprops.report.answer import Answer


def print_outcome(
    console: Console, outcome: Outcome, *, quiet: bool = False, verbose: int = 0, searched: bool = True
) -> None:
    """Print the report of a run, the answer first.

    Args:
        console: Where to print.
        outcome: The run.
        quiet: Print only the answer and what fails.
        verbose: 1 prints every clause in a table, also those about the reference, and violations that are likely of the
            same fault in full; 2 prints the statements too.
        searched: Whether the run searched for violations; a replay needs no advice on how to reproduce a failure.
    """
    if is_for_students(outcome) and not (quiet or verbose or not searched):
        print_student(console, outcome)
        return
    answer = answer_of(outcome, every=bool(verbose), searched=searched)
    line = Text(answer.headline, answer.style)
    console.print(line)
    for block in answer.blocks:
        console.print()
        print_block(console, block)
    if verbose:
        _print_tables(console, outcome, statements=verbose > 1)
    below = [*([] if quiet else _below(answer, watched=outcome.profile == WATCHED)), *answer.told]
    if below:
        console.print()
    for sentence in below:
        console.print(Text(sentence))
    if answer.blocks or below:
        console.print(line)


def outcome_text(outcome: Outcome, *, width: int = 100) -> str:
    """Return the report of a run as plain text."""
    return to_text(lambda console: print_outcome(console, outcome), width=width)


def _below(answer: Answer, *, watched: bool) -> list[str]:
    """Return the lines below the faults: one for each chapter, and what the run was asked.

    ``gdprops watch`` has no ``-v``: behind the script's name it would be the script's.
    """
    widest = max(map(len, answer.chapters), default=0)
    counted = [f"{chapter:<{widest}}  {endings}" for chapter, endings in answer.chapters.items()]
    *before, how = answer.asked or ("",)
    more = ["-v lists the clauses"] * (not watched) + ["gdprops show CLAUSE explains one"] * bool(answer.blocks)
    return [*counted, *before, *(["; ".join(filter(None, (how, ", ".join(more))))] if how else [])]


def _print_tables(console: Console, outcome: Outcome, *, statements: bool) -> None:
    for about in About:
        if verdicts := outcome.of(about):
            console.print()
            console.print(verdict_table(verdicts, width=console.width, statements=statements))
