"""Print the report of one run: the table of verdicts, a line on the reference, the violations and the summary."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from gdprops.model.verdict import About, Status
from gdprops.report.consoles import to_text
from gdprops.report.summary import advice, note_lines, reference_line, summary_line
from gdprops.report.verdict_table import verdict_table
from gdprops.report.violation_text import print_violation, raises

if TYPE_CHECKING:
    from rich.console import Console

    from gdprops.model.outcome import Outcome
    from gdprops.model.verdict import Verdict

SHOWN = (Status.VIOLATED, Status.ERROR)


def print_outcome(
    console: Console,
    outcome: Outcome,
    *,
    quiet: bool = False,
    verbose: bool = False,
    searched: bool = True,
) -> None:
    """Print the report of a run.

    Args:
        console: Where to print.
        outcome: The run.
        quiet: Print only the violations and the summary.
        verbose: Also print the clauses about the reference one by one, and the shrunk cases of those violations that
            are likely caused by the primary one.
        searched: Whether the run searched for violations; a replay needs no advice on how to reproduce a failure.
    """
    if not quiet:
        console.print(Text(title(outcome), style="bold"))
        _print_tables(console, outcome, verbose=verbose)
    for verdict in in_full(outcome):
        print_violation(console, verdict, subject=outcome.subject, case=verbose or not followed(verdict, outcome))
    console.print(Text(summary_line(outcome), style="bold"))
    for line in [*note_lines(outcome), *advice(outcome, searched=searched)]:
        console.print(Text(line))


def outcome_text(outcome: Outcome, *, width: int = 100) -> str:
    """Return the report of a run as plain text."""
    return to_text(lambda console: print_outcome(console, outcome), width=width)


def title(outcome: Outcome) -> str:
    """Return the first line of a report: the subject, the profile and the seed."""
    seed = "no seed" if outcome.seed is None else f"seed {outcome.seed}"
    strict = ", strict" if outcome.strict else ""
    return f"{outcome.subject} (profile {outcome.profile}, {seed}{strict})\n"


def in_full(outcome: Outcome) -> list[Verdict]:
    """Return the verdicts to print in full: violations and errors, the primary violation first.

    What raises, raises whatever is checked: the same exception in other clauses is not printed again.
    """
    again = {clause for verdict in outcome.verdicts if raises(verdict) for clause in verdict.same_fault}
    shown = [
        verdict
        for verdict in outcome.verdicts
        if verdict.status in SHOWN and not (verdict.about is About.SUBJECT and verdict.clause in again)
    ]
    return sorted(shown, key=lambda verdict: not verdict.also)


def followed(verdict: Verdict, outcome: Outcome) -> bool:
    """Say whether the primary violation of the run lists this verdict as likely caused by the same fault."""
    return verdict.about is About.SUBJECT and any(verdict.clause in other.also for other in outcome.verdicts)


def _print_tables(console: Console, outcome: Outcome, *, verbose: bool) -> None:
    subject, reference = outcome.of(About.SUBJECT), outcome.of(About.REFERENCE)
    if subject:
        console.print(verdict_table(subject, width=console.width))
        console.print()
    line = reference_line(outcome)
    if line is not None:
        hint = "" if verbose else " (what gdprops compares with; -v lists it)"
        console.print(Text(line + hint))
        console.print()
    if verbose and reference:
        console.print(verdict_table(reference, width=console.width))
        console.print()
