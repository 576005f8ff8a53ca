"""Write runs as Markdown, for the summary of a CI step or for a comment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gdprops.model.verdict import About, Status
from gdprops.model.wording import on_one_line
from gdprops.report.phrases import decisive, ratio
from gdprops.report.summary import advice, note_lines, reference_line, summary_line
from gdprops.report.terminal import in_full
from gdprops.report.verdict_table import remark
from gdprops.report.violation_text import violation_text

if TYPE_CHECKING:
    from gdprops.model.outcome import Outcome
    from gdprops.model.verdict import Verdict

MARKS = {
    Status.HELD: "✅",
    Status.VIOLATED: "❌",
    Status.ABORTED: "❌",
    Status.VACUOUS: "⚠️",
    Status.NOT_APPLICABLE: "➖",
    Status.ACCEPTED: "☑️",
    Status.ERROR: "💥",
}


def write_markdown(path: str, outcomes: Sequence[Outcome]) -> None:
    """Write the runs to a Markdown file."""
    Path(path).write_text(markdown(outcomes), encoding="utf-8")


def markdown(outcomes: Sequence[Outcome]) -> str:
    """Return the runs as Markdown, subject by subject."""
    return "\n".join(line for outcome in outcomes for line in _run(outcome)) + "\n"


def _run(outcome: Outcome) -> Iterator[str]:
    mark = "✅" if outcome.exit_code == 0 else "❌"
    yield from (f"## {mark} gdprops: `{_code(outcome.subject)}`", "", _escape(summary_line(outcome)), "")
    if not outcome.complete:
        yield from ("**Incomplete:** not every clause was run.", "")
    for verdict in in_full(outcome):
        yield from _violation(verdict, outcome)
    yield from _table(outcome.of(About.SUBJECT))
    line = reference_line(outcome)
    for sentence in [*([line] if line else []), *note_lines(outcome), *advice(outcome)]:
        yield from (_escape(sentence), "")


def _violation(verdict: Verdict, outcome: Outcome) -> Iterator[str]:
    told = f": {verdict.explanation}" if verdict.explanation else ""
    summary = f"{verdict.status.upper()} <code>{verdict.clause}</code>{_html(told)}"
    text = violation_text(verdict, subject=outcome.subject).strip()
    fence = "`" * max(3, _longest_run(text) + 1)
    yield from ("<details>", f"<summary>{summary}</summary>", "", f"{fence}text", text, fence, "", "</details>", "")


def _longest_run(text: str) -> int:
    """Return the length of the longest sequence of backticks: the fence of a code block must be longer."""
    longest, run = 0, 0
    for character in text:
        run = run + 1 if character == "`" else 0
        longest = max(longest, run)
    return longest


def _table(verdicts: Sequence[Verdict]) -> Iterator[str]:
    if not verdicts:
        return
    yield "| | clause | statement | decisive | ratio |"
    yield "| --- | --- | --- | ---: | ---: |"
    for verdict in verdicts:
        note = remark(verdict)
        sentence = _escape(verdict.statement) + (f"<br>*{_escape(note)}*" if note else "")
        cells = (MARKS[verdict.status], f"`{verdict.clause}`", sentence, decisive(verdict), ratio(verdict))
        yield f"| {' | '.join(cells)} |"
    yield ""


def _escape(text: str) -> str:
    """Return a text escaped so that Markdown shows it unchanged, also inside a table."""
    plain = _html(on_one_line(text))
    for character in "\\`*_[]|~$":
        plain = plain.replace(character, f"\\{character}")
    return plain


def _html(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _code(text: str) -> str:
    return text.replace("`", "'").replace("\n", " ")
