"""Render a survey as Markdown: the matrix of optimizers and clauses, the table of traits, and the messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdprops.model.verdict import Status
from gdprops.model.wording import on_one_line
from gdprops.survey.causes import causes
from gdprops.survey.matrix_text import summary

if TYPE_CHECKING:
    from gdprops.survey.survey_data import Entry, Survey

SYMBOLS = {
    Status.HELD: "✓",
    Status.VIOLATED: "✗",
    Status.ABORTED: "!",
    Status.VACUOUS: "?",
    Status.NOT_APPLICABLE: "·",
    Status.ACCEPTED: "a",
    Status.ERROR: "E",
}


def survey_markdown(survey: Survey) -> str:
    """Return the survey as a Markdown document."""
    clauses = _clauses(survey)
    traits = sorted({key for entry in survey.entries for key in entry.traits})
    lines = [f"# Survey: {', '.join(survey.asked.get('modules', ()))}", "", summary(survey), ""]
    lines += _table(["optimizer", *map(str, range(1, len(clauses) + 1)), "s"], _matrix(survey, clauses))
    legend = ", ".join(f"{symbol} {status}" for status, symbol in SYMBOLS.items())
    lines += ["", legend, "", *(f"{i}. `{clause}`" for i, clause in enumerate(clauses, 1)), "", "## Traits", ""]
    rows = [[entry.key, *(entry.traits.get(key, "") for key in traits)] for entry in survey.entries]
    lines += _table(["optimizer", *traits], rows)
    return "\n".join([*lines, "", *_messages(survey)]) + "\n"


def _clauses(survey: Survey) -> list[str]:
    return list(dict.fromkeys(v.clause for entry in survey.entries for v in entry.outcome.verdicts))


def _matrix(survey: Survey, clauses: list[str]) -> list[list[str]]:
    return [_row(entry, clauses) for entry in survey.entries]


def _row(entry: Entry, clauses: list[str]) -> list[str]:
    found = {v.clause: SYMBOLS[v.status] for v in entry.outcome.verdicts}
    seconds = f"{entry.outcome.timing.get('seconds', 0.0):.1f}"
    return [entry.key, *(found.get(clause, "") for clause in clauses), seconds]


def _table(headings: list[str], rows: list[list[str]]) -> list[str]:
    return [_cells(headings), _cells(["---"] * len(headings)), *map(_cells, rows)]


def _cells(row: list[str]) -> str:
    return "| " + " | ".join(on_one_line(cell.replace("|", "\\|")) for cell in row) + " |"


def _messages(survey: Survey) -> list[str]:
    lines = ["## Messages", ""]
    for entry in survey.entries:
        for said in filter(None, (entry.unusable and f"not examined: {entry.unusable}", entry.aborted)):
            lines.append(f"- `{entry.key}`: {said}")
        lines += [f"- `{entry.key}`: {line}" for line in causes(entry.outcome.verdicts)]
    return lines
