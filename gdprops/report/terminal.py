"""The report of one run as text: table, reference, violations, summary."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from gdprops.model.verdict import About, Status
from gdprops.report.consoles import to_text
from gdprops.report.summary import advice, note_lines, reference_line, summary_line
from gdprops.report.verdict_table import verdict_table
from gdprops.report.violation_text import print_violation

if TYPE_CHECKING:
    from rich.console import Console

    from gdprops.model.verdict import Outcome, Verdict

SHOWN = (Status.VIOLATED, Status.ERROR)


def print_outcome(
    console: Console,
    outcome: Outcome,
    *,
    quiet: bool = False,
    verbose: bool = False,
    searched: bool = True,
) -> None:
    """Print a run.

    ``quiet``: only violations and the summary; ``verbose``: the reference clause by clause, and the shrunk cases of
    violations that likely follow from the primary one; ``searched`` False: the one case of a replay, which needs no
    advice on how to find it again.
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
    """Return the same as plain text."""
    return to_text(lambda console: print_outcome(console, outcome), width=width)


def title(outcome: Outcome) -> str:
    """Return the line that says what was run."""
    seed = "no seed" if outcome.seed is None else f"seed {outcome.seed}"
    strict = ", strict" if outcome.strict else ""
    return f"{outcome.subject} (profile {outcome.profile}, {seed}{strict})\n"


def in_full(outcome: Outcome) -> list[Verdict]:
    """Return the verdicts to print in full, the primary one (which names the others) first."""
    shown = [verdict for verdict in outcome.verdicts if verdict.status in SHOWN]
    return sorted(shown, key=lambda verdict: not verdict.also)


def followed(verdict: Verdict, outcome: Outcome) -> bool:
    """Say whether another violation of the run names this one as likely of the same fault."""
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
