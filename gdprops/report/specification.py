"""The specification itself, printed from its clauses: a list, one clause, or Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import TYPE_CHECKING

from rich.padding import Padding
from rich.text import Text

from gdprops.model.verdict import SPECIFICATION

if TYPE_CHECKING:
    from rich.console import Console

    from gdprops.model.clause import Clause

CHAPTERS = {
    "gradient": "looking around from one point",
    "step": "moving in all dimensions at once",
    "sequential": "one dimension or layer after the other",
    "optimizer": "promises of an optimizer object",
    "published": "a named optimizer equals its published update rule",
}
CLAIM = "◆"


def chapters(clauses: Iterable[Clause]) -> Iterator[tuple[str, list[Clause]]]:
    """Yield each chapter with its clauses, in the order of the specification."""
    for chapter, members in groupby(clauses, key=lambda clause: clause.chapter):
        yield chapter, list(members)


def _heading(chapter: str) -> str:
    return f"{chapter}: {CHAPTERS[chapter]}" if chapter in CHAPTERS else chapter


def print_list(console: Console, clauses: Iterable[Clause]) -> None:
    """Print every clause's id and statement, chapter by chapter."""
    for chapter, members in chapters(clauses):
        console.print(Text(_heading(chapter), style="bold underline"))
        for clause in members:
            level = "" if clause.level == "required" else f" ({clause.level})"
            console.print(Padding(Text(clause.id + level, style="bold"), (0, 0, 0, 2)))
            console.print(Padding(Text(clause.statement), (0, 0, 0, 6)))
        console.print()
    console.print(Text("gdprops show CLAUSE explains one: how it is decided, where it comes from."))


def print_clause(console: Console, clause: Clause) -> None:
    """Print everything about one clause."""
    console.print(Text(clause.id, style="bold"))
    console.print(Text(clause.statement))
    for label, text in details(clause):
        console.print()
        console.print(Text(label, style="bold"))
        console.print(Padding(Text(text), (0, 0, 0, 2)))


def details(clause: Clause) -> Iterator[tuple[str, str]]:
    """Yield what there is to know about a clause besides its statement, as pairs of a label and its text."""
    level = "a violation is always a bug" if clause.level == "required" else "fails only with --strict"
    yield "Level", f"{clause.level}: {level}"
    yield "Decided", clause.decision
    yield "Source", clause.source
    if clause.claim:
        yield "Claim", f"{CLAIM} made by the source documents themselves"
    yield "Refuted by", ", ".join(clause.refuted_by) or "no fault yet"
    yield "Since", f"specification {clause.since}, revision {clause.revision}"


def markdown(clauses: Iterable[Clause]) -> str:
    """Return the whole specification as Markdown."""
    parts = [f"# The specification of gradient descent, version {SPECIFICATION}\n"]
    for chapter, members in chapters(clauses):
        parts.append(f"## {_heading(chapter)}\n")
        parts += [_markdown_clause(clause) for clause in members]
    return "\n".join(parts)


def _markdown_clause(clause: Clause) -> str:
    lines = [f"### `{clause.id}`\n", clause.statement + "\n"]
    lines += [f"- **{label}**: {text}" for label, text in details(clause)]
    return "\n".join(lines) + "\n"


def markdown_table(clauses: Iterable[Clause]) -> str:
    """Return the clauses as one Markdown table, for the README."""
    lines = ["| clause | statement | level |", "| --- | --- | --- |"]
    for clause in clauses:
        mark = f" {CLAIM}" if clause.claim else ""
        statement = clause.statement.replace("|", "\\|")
        lines.append(f"| `{clause.id}`{mark} | {statement} | {clause.level} |")
    return "\n".join(lines)
