"""The specification, printed from its clauses: as a list, one clause at a time, or as a Markdown page.

The page can be read alone: first the words and symbols, then every chapter with its clauses. What all clauses of a
chapter share (how they are decided, in the chapter published) stands once, under the chapter's heading.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Any

from rich.padding import Padding
from rich.text import Text

from gdprops.clauses import COMMON_DECISIONS
from gdprops.model.glossary import SYMBOLS, WORDS, Entry, used_in
from gdprops.model.site import clause_address
from gdprops.model.verdict import SPECIFICATION
from gdprops.report.source_links import links

if TYPE_CHECKING:
    from rich.console import Console

    from gdprops.model.clause import Clause

CHAPTERS = {
    "gradient": "looking around from one point",
    "step": "moving in all dimensions at once",
    "sequential": "one dimension or layer after the other",
    "optimizer": "promises of an optimizer object",
    "published": "a named optimizer equals its published update rule",
    "clock": "what changes from update to update follows its schedule",
    "live": "a training script as it is, watched while it runs",
}
CLAIM = "◆"
GLOSSARY = "Words and symbols"


def chapters(clauses: Iterable[Clause]) -> Iterator[tuple[str, list[Clause]]]:
    """Yield each chapter with its clauses, in the order of the specification."""
    for chapter, members in groupby(clauses, key=lambda clause: clause.chapter):
        yield chapter, list(members)


def chapter_title(chapter: str) -> str:
    """Return the name of a chapter and what it is about."""
    return f"{chapter}: {CHAPTERS[chapter]}" if chapter in CHAPTERS else chapter


def print_list(console: Console, clauses: Iterable[Clause]) -> None:
    """Print every clause's id and statement, chapter by chapter."""
    for chapter, members in chapters(clauses):
        console.print(Text(chapter_title(chapter), style="bold underline"))
        for clause in members:
            level = "" if clause.level == "required" else f" ({clause.level})"
            console.print(Padding(Text(clause.id + level, style="bold"), (0, 0, 0, 2)))
            console.print(Padding(Text(clause.statement), (0, 0, 0, 6)))
        console.print()
    console.print(Text("gdprops show CLAUSE explains a clause: how it is decided, where it comes from."))
    console.print(Text("gdprops show glossary defines the words and symbols."))


def print_clause(console: Console, clause: Clause) -> None:
    """Print everything about one clause."""
    console.print(Text(clause.id, style="bold"))
    console.print(Text(clause.statement))
    for label, text in [*details(clause), *_shared(clause)]:
        console.print()
        console.print(Text(label, style="bold"))
        console.print(Padding(Text(text), (0, 0, 0, 2)))
    console.print()
    console.print(Text("Page", style="bold"))
    console.print(Padding(Text(clause_address(clause.id)), (0, 0, 0, 2)))
    if words := words_of(clause):
        console.print()
        console.print(Text("Words", style="bold"))
        console.print(Padding(Text(f"{', '.join(words)}: gdprops show glossary defines them"), (0, 0, 0, 2)))


def _shared(clause: Clause) -> Iterator[tuple[str, str]]:
    """Yield how all clauses of the chapter are decided, where the chapter says so once."""
    if common := COMMON_DECISIONS.get(clause.chapter):
        yield f"All clauses of the chapter {clause.chapter} are decided like this", common


def words_of(clause: Clause) -> tuple[str, ...]:
    """Return the names of the glossary's entries that a clause uses."""
    shared, claim = COMMON_DECISIONS.get(clause.chapter, ""), CLAIM * clause.claim
    texts = (clause.statement, clause.decision, clause.source, shared, claim)
    return tuple(entry.name for entry in used_in(" ".join(texts)))


def print_glossary(console: Console) -> None:
    """Print every symbol and word of the specification with its definition."""
    for title, entries in (("Symbols", SYMBOLS), ("Words", WORDS)):
        console.print(Text(title, style="bold underline"))
        for entry in entries:
            print_entry(console, entry)
        console.print()


def print_entry(console: Console, entry: Entry) -> None:
    """Print one symbol or word with its definition."""
    console.print(Padding(Text(entry.name, style="bold"), (0, 0, 0, 2)))
    console.print(Padding(Text(entry.meaning), (0, 0, 0, 6)))


def details(clause: Clause) -> Iterator[tuple[str, str]]:
    """Yield everything about a clause but its statement, as pairs of a label and a text."""
    level = "a violation is always a bug" if clause.level == "required" else "fails only with --strict"
    yield "Level", f"{clause.level}: {level}"
    yield "Decided", clause.decision
    yield "Source", clause.source
    if clause.claim:
        yield "Claim", f"{CLAIM} made in the source documents (a forum answer and an article)"
    yield "Refuted by", ", ".join(clause.refuted_by) or "no fault yet"
    yield "Since", f"specification {clause.since}, revision {clause.revision}"


def markdown(clauses: Iterable[Clause]) -> str:
    """Return the whole specification as Markdown."""
    parts = [f"# The specification of gradient descent, version {SPECIFICATION}\n", markdown_glossary()]
    for chapter, members in chapters(clauses):
        parts.append(f"## {chapter_title(chapter)}\n")
        parts += [f"{label}: {text}\n" for label, text in _shared(members[0])]
        parts += [_markdown_clause(clause) for clause in members]
    return "\n".join(parts)


def markdown_glossary() -> str:
    """Return the words and symbols as a section of Markdown."""
    entries = (f"- **{entry.name}**: {entry.meaning}" for entry in (*SYMBOLS, *WORDS))
    return "\n".join((f"## {GLOSSARY}\n", *entries)) + "\n"


def _markdown_clause(clause: Clause) -> str:
    lines = [f"### `{clause.id}`\n", clause.statement + "\n"]
    lines += [f"- **{label}**: {text}" for label, text in details(clause)]
    if words := words_of(clause):
        lines.append(f"- **Words**: {', '.join(words)} ([{GLOSSARY.lower()}](#{GLOSSARY.lower().replace(' ', '-')}))")
    return "\n".join(lines) + "\n"


def as_data(clauses: Iterable[Clause]) -> dict[str, Any]:
    """Return the specification, or some of its clauses, as data for JSON."""
    return {"schema": 1, "specification": SPECIFICATION, "clauses": [_clause_data(clause) for clause in clauses]}


def _clause_data(clause: Clause) -> dict[str, Any]:
    return {
        "id": clause.id,
        "chapter": clause.chapter,
        "statement": clause.statement,
        "level": str(clause.level),
        "about": str(clause.view),
        "kinds": sorted(clause.implementations),
        "decision": clause.decision,
        "source": clause.source,
        "links": dict(links(clause.source)),
        "claim": clause.claim,
        "refuted_by": list(clause.refuted_by),
        "since": clause.since,
        "revision": clause.revision,
        "words": list(words_of(clause)),
        "page": clause_address(clause.id),
    }


def markdown_table(clauses: Iterable[Clause], *, link: Callable[[Clause], str] | None = None) -> str:
    """Return the clauses as one Markdown table; ``link`` returns where a clause's id leads."""
    lines = ["| clause | statement | level |", "| --- | --- | --- |"]
    for clause in clauses:
        mark = f" {CLAIM}" if clause.claim else ""
        statement = clause.statement.replace("|", "\\|")
        name = f"`{clause.id}`" if link is None else f"[`{clause.id}`]({link(clause)})"
        lines.append(f"| {name}{mark} | {statement} | {clause.level} |")
    return "\n".join(lines)
