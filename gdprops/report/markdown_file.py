"""Write runs as Markdown, for the summary of a CI step or for a comment: what the terminal says, in its order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from gdprops.model import exit_codes
from gdprops.model.ending import Ending, ending_of
from gdprops.model.verdict import About
from gdprops.model.wording import on_one_line, plural
from gdprops.report.answer import answer_of
from gdprops.report.headline import chapter_of
from gdprops.report.phrases import decisive, ratio
from gdprops.report.subjects_table import found, summary
from gdprops.report.verdict_table import remark
from gdprops.runner.written_file import write_file

if TYPE_CHECKING:
    from gdprops.model.outcome import Outcome
    from gdprops.model.verdict import Verdict
    from gdprops.report.fault_block import FaultBlock

MARKS = {
    Ending.HELD: "✅",
    Ending.VIOLATED: "❌",
    Ending.ADVISED: "🔶",
    Ending.ABORTED: "❌",
    Ending.ERROR: "💥",
    Ending.ACCEPTED: "☑️",
    Ending.VACUOUS: "⚠️",
    Ending.NOT_APPLICABLE: "➖",
}
HEADING = "| | clause | statement | decisive | ratio |"


def write_markdown(path: str, outcomes: Sequence[Outcome]) -> None:
    """Write the runs to a Markdown file."""
    write_file(path, markdown(outcomes))


def markdown(outcomes: Sequence[Outcome]) -> str:
    """Return the runs as Markdown, subject by subject."""
    rows = [*_rows(outcomes)] if len(outcomes) > 1 else []
    return "\n".join([*rows, *(line for outcome in outcomes for line in _run(outcome))]) + "\n"


def _rows(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Yield a row for each subject, with what was found."""
    yield from (
        f"## gdprops: {_escape(summary(outcomes))}",
        "",
        "| | subject | what was found |",
        "| --- | --- | --- |",
    )
    for outcome in outcomes:
        yield f"| {_mark(outcome)} | {_escape(outcome.subject)} | {_escape(found(outcome))} |"
    yield ""


def _run(outcome: Outcome) -> Iterator[str]:
    answer = answer_of(outcome)
    yield from (f"## {_mark(outcome)} gdprops: {_escape(answer.headline)}", "")
    for block in answer.blocks:
        yield from _block(block)
    yield from (f"- **{chapter}** {_escape(endings)}" for chapter, endings in answer.chapters.items())
    yield from ("",) if answer.chapters else ()
    for sentence in (*answer.asked, *answer.told):
        yield from (_escape(sentence), "")
    yield from _table(outcome.of(About.SUBJECT))


def _mark(outcome: Outcome) -> str:
    return {exit_codes.OK: "✅", exit_codes.VIOLATED: "❌", exit_codes.BUG: "💥"}.get(outcome.exit_code, "⚠️")


def _block(block: FaultBlock) -> Iterator[str]:
    """Yield the block of a fault; its case is folded."""
    yield from (f"### {MARKS[ending_of(block.verdict)]} {_escape(block.title)}", "")
    yield from (f"- **{label}** {_escape(text)}" for label, text in block.facts)
    yield from ("", *([_escape(block.replay), ""] if block.replay else []))
    for folded, language, text in (("traceback", "text", block.traceback), ("the shrunk case", "python", block.script)):
        if text:
            yield from _folded(folded, _fenced(text, language))
    if block.doubt:
        yield from (_escape(block.doubt), "")


def _folded(told: str, lines: Iterable[str]) -> Iterator[str]:
    yield from ("<details>", f"<summary>{told}</summary>", "", *lines, "", "</details>", "")


def _fenced(text: str, language: str) -> tuple[str, str, str]:
    fence = "`" * max(3, _longest_run(text) + 1)
    return f"{fence}{language}", text, fence


def _longest_run(text: str) -> int:
    """Return the length of the longest sequence of backticks: the fence of a code block must be longer."""
    longest, run = 0, 0
    for character in text:
        run = run + 1 if character == "`" else 0
        longest = max(longest, run)
    return longest


def _table(verdicts: Sequence[Verdict]) -> Iterator[str]:
    """Yield the clauses of each chapter, folded."""
    rows: dict[str, list[str]] = {}
    for verdict in verdicts:
        note = remark(verdict)
        sentence = _escape(verdict.statement) + (f"<br>*{_escape(note)}*" if note else "")
        mark = MARKS[ending_of(verdict)]
        cells = (mark, f"`{verdict.clause}`", sentence, decisive(verdict), ratio(verdict))
        rows.setdefault(chapter_of(verdict.clause), []).append(f"| {' | '.join(cells)} |")
    for chapter, lines in rows.items():
        told = f"{chapter}: {plural(len(lines), 'clause')}, one by one"
        yield from _folded(told, (HEADING, "| --- | --- | --- | ---: | ---: |", *lines))


def _escape(text: str) -> str:
    """Return a text escaped so that Markdown shows it unchanged, also inside a table."""
    plain = _html(on_one_line(text))
    for character in "\\`*_[]|~$":
        plain = plain.replace(character, f"\\{character}")
    return plain


def _html(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
