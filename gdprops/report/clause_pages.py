"""The specification as pages of Markdown, one for each clause, with an overview: made of the clauses and of the bank.

What stands on a page: the statement, why it matters, wrong code and the right code beside it, how it is
decided, the sources with links, the faults that refute it, and since when it is a clause.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gdprops.clauses import COMMON_DECISIONS
from gdprops.faults.code_shown import clearest, known_faults, shown
from gdprops.model.clause import Clause, View
from gdprops.model.glossary import SYMBOLS, WORDS, used_in
from gdprops.model.verdict import SPECIFICATION
from gdprops.report.source_links import linked
from gdprops.report.specification import CLAIM, chapter_title, chapters, markdown_table, words_of

MOST_REAL = 6
"""How many real bugs are told above the table of all faults."""
_ABOUT = {
    View.OPTIMIZER: "optimizers and update rules",
    View.SYSTEM: "whatever computes gradients, and the reference that gdprops itself stands on",
    View.TRAINING: "training steps",
    View.LIVE: "training scripts that are watched while they run (`gdprops watch`)",
}


def pages(clauses: Iterable[Clause]) -> Iterator[tuple[str, str]]:
    """Yield the name and the text of every page: the overview, the words and symbols, and each clause."""
    every = tuple(clauses)
    yield "index.md", overview(every)
    yield "words.md", glossary_page()
    for clause in every:
        yield f"{clause.id}.md", clause_page(clause)


def overview(clauses: Iterable[Clause]) -> str:
    """Return the page that lists every clause, chapter by chapter."""
    parts = [
        f"# The specification, version {SPECIFICATION}\n",
        "Each clause is one sentence that is true of every correct subject, a way to draw cases that could refute it, "
        "and a check. **Required** clauses are bugs where they are violated; **recommended** ones fail with `--strict` "
        f"only. {CLAIM} marks a claim of the two documents that the project started from. The letters and special "
        "words are defined under [words and symbols](words.md).\n",
    ]
    for chapter, members in chapters(clauses):
        parts += [f"## {chapter_title(chapter)}\n", markdown_table(members, link=lambda c: f"{c.id}.md"), ""]
    return "\n".join(parts)


def clause_page(clause: Clause) -> str:
    """Return the page of one clause."""
    parts = [
        f"# {clause.id}\n",
        f"> {clause.statement}\n",
        _facts(clause),
        f"## Why it matters\n\n{_why(clause)}\n",
        _snippets(clause),
        f"## How it is decided\n\n{clause.decision}\n",
    ]
    if common := COMMON_DECISIONS.get(clause.chapter):
        parts.append(f"All clauses of the chapter {clause.chapter}: {common}\n")
    parts += [f"## Sources\n\n{linked(clause.source)}\n", _faults(clause), _words(clause)]
    return "\n".join(part for part in parts if part)


def glossary_page() -> str:
    """Return the page of words and symbols."""
    entries = "\n".join(f"- **{entry.name}**: {entry.meaning}" for entry in (*SYMBOLS, *WORDS))
    sense = "The specification, its messages and these pages use them in this sense only."
    return f"# Words and symbols\n\n{sense}\n\n{entries}\n"


def _facts(clause: Clause) -> str:
    level = "a violation is always a bug" if clause.level == "required" else "fails only with `--strict`"
    kinds = sorted(clause.implementations)
    also = f" Also held to it: subjects of the kinds {', '.join(kinds)}." if kinds else ""
    claim = f" {CLAIM} A claim of the source documents." if clause.claim else ""
    return (
        f"**{clause.level}**: {level}. About {_ABOUT[clause.view]}.{also} "
        f"Since specification {clause.since}, revision {clause.revision}.{claim} [All clauses](index.md)\n"
    )


def _why(clause: Clause) -> str:
    """Return the real bugs that the faults of a clause re-create; without any, what its faults do wrong."""
    faults = [known_faults()[name] for name in clause.refuted_by]
    real = [fault for fault in faults if fault.source]
    told = "\n".join(f"- {fault.summary} ({linked(fault.source)})" for fault in real[:MOST_REAL])
    if told:
        rest = f"\n\n{len(real) - MOST_REAL} more stand in the table of faults below." * (len(real) > MOST_REAL)
        return f"Projects have shipped what it forbids:\n\n{told}{rest}"
    return "What goes wrong where it is broken:\n\n" + "\n".join(f"- {fault.summary}" for fault in faults[:3])


def _snippets(clause: Clause) -> str:
    name = clearest(clause.refuted_by)
    code, fault = shown(name), known_faults()[name]
    return (
        f"## Wrong and right\n\n`{name}`, a fault that violates it: {fault.summary}\n\n"
        f'```python title="wrong"\n{code.wrong}\n```\n\n'
        f'```python title="right: {code.right_name}"\n{code.right}\n```\n'
    )


def _faults(clause: Clause) -> str:
    listed = (
        f"| `{name}` | {known_faults()[name].summary} | {linked(known_faults()[name].source)} |"
        for name in clause.refuted_by
    )
    table = "\n".join(("| fault | what it does wrong | real bug |", "| --- | --- | --- |", *listed))
    return f"## Faults that refute it\n\n{table}\n\n`gdprops show FAULT` prints one.\n"


def _words(clause: Clause) -> str:
    meanings = {entry.name: entry.meaning for entry in used_in(clause.statement + clause.decision)}
    told = "\n".join(f"- **{name}**: {meanings[name]}" for name in words_of(clause) if name in meanings)
    return f"## Words\n\n{told}\n" if told else ""
