"""Print one violation in full: the clause, where and by how much it was violated, and how to reproduce it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from gdprops.model.clause import Level
from gdprops.model.verdict import About
from gdprops.model.wording import plural
from gdprops.report.consoles import to_text
from gdprops.report.phrases import STYLES, number, place
from gdprops.runner.primary_violation import raised_by

if TYPE_CHECKING:
    from rich.console import Console

    from gdprops.model.evidence import Location
    from gdprops.model.verdict import Verdict


FEW = 3
"""The names of so many clauses in which the same exception is raised are printed; of more, their number."""


def print_violation(console: Console, verdict: Verdict, *, subject: str, case: bool = True) -> None:
    """Print a violated, aborted or erroneous verdict in full; ``case=False`` leaves out the shrunk case."""
    console.print(_title(verdict))
    console.print(Text(verdict.statement))
    console.print(_facts(verdict, subject))
    if verdict.explanation:
        console.print(Text(verdict.explanation))
    if _is_traceback(verdict):
        console.print(Text(verdict.reason.rstrip()), soft_wrap=True)
    _print_case(console, verdict, shown=case)
    console.print()


def violation_text(verdict: Verdict, *, subject: str, width: int = 100) -> str:
    """Return a violated, aborted or erroneous verdict in full as plain text."""
    return to_text(lambda console: print_violation(console, verdict, subject=subject), width=width)


def one_line(verdict: Verdict) -> str:
    """Return a red verdict in one line: the clause, what is wrong, and where."""
    said = [f"{verdict.clause} {verdict.status}{' (recommended)' * (verdict.level is Level.RECOMMENDED)}"]
    if verdict.location is not None:
        where = verdict.location
        said.append(f"{place(where)}: seen {where.seen}, expected {where.expected}")
    said += [part for part in (verdict.explanation, verdict.reason) if part]
    return " ".join("; ".join(said).split())


def _title(verdict: Verdict) -> Text:
    title = Text(f"{verdict.status.upper()} {verdict.clause}", style=STYLES[verdict.status])
    if verdict.level is Level.RECOMMENDED:
        title.append(" (recommended)")
    return title


def _facts(verdict: Verdict, subject: str) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for label, value in facts(verdict, subject):
        grid.add_row(Text(label, style="dim"), Text(value))
    return grid


def facts(verdict: Verdict, subject: str) -> Iterator[tuple[str, str]]:
    """Yield the facts about a violation, as pairs of a label and a text."""
    yield ("subject", subject) if verdict.about is About.SUBJECT else ("about", "the reference")
    if verdict.location is not None:
        yield from _numbers(verdict.location)
    if verdict.reason and not _is_traceback(verdict):
        yield "reason", verdict.reason
    if verdict.blame:
        yield "wrong", ", ".join(verdict.blame) + _since(verdict)
    if verdict.examples:
        yield "found", f"after {plural(verdict.examples, 'example')}"
    if verdict.also:
        yield "also", _also(verdict)


def raises(verdict: Verdict) -> bool:
    """Say whether the violation is an exception of the subject's."""
    return verdict.explanation is None and bool(raised_by(verdict))


def _also(verdict: Verdict) -> str:
    """Return the other violations; only those that the explanation reproduces are likely of the same fault."""
    others = ", ".join(clause for clause in verdict.also if clause not in verdict.same_fault)
    if raises(verdict) and len(verdict.same_fault) > FEW:
        told = f"it raises whatever is checked: so do {plural(len(verdict.same_fault), 'other clause')}"
        return f"{told}; {others} (violated too)" if others else told
    same = ", ".join(clause for clause in verdict.also if clause in verdict.same_fault)
    parts = (f"{same} (violated too, likely by the same fault)" * bool(same), f"{others} (violated too)" * bool(others))
    return "; ".join(filter(None, parts))


def _numbers(location: Location) -> Iterator[tuple[str, str]]:
    yield "where", place(location)
    yield "seen", location.seen
    yield "expected", location.expected
    by = number(location.difference)
    if location.relative is not None:
        by += f", {number(location.relative)} of the displacement"
    yield "difference", by
    yield "allowed", number(location.allowed) if location.allowed else "0 (exact case: equality)"


def _since(verdict: Verdict) -> str:
    return "" if verdict.first_wrong_step is None else f" (first at step {verdict.first_wrong_step})"


def _is_traceback(verdict: Verdict) -> bool:
    return "\n" in verdict.reason.strip()


def _print_case(console: Console, verdict: Verdict, *, shown: bool) -> None:
    example = verdict.counterexample
    if example is None:
        return
    if shown and example.python.strip():
        console.print(Text("\nThe shrunk case, as runnable Python:\n"))
        console.print(Text(example.python.rstrip()), soft_wrap=True)
        console.print()
    if example.replay or example.path:
        line = f"Replay it: {example.replay}" if example.replay else f"Saved in {example.path}"
        console.print(Text(line), soft_wrap=True)
