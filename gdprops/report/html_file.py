"""Write one self-contained HTML page: the verdicts, the statement and source of each clause, and the pictures."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gdprops.clauses import catalogue
from gdprops.model.verdict import SPECIFICATION, About, Status
from gdprops.report import figures
from gdprops.report.phrases import decisive, number, ratio
from gdprops.report.summary import advice, note_lines, reference_line, summary_line
from gdprops.report.terminal import in_full
from gdprops.report.verdict_table import remark
from gdprops.report.violation_text import facts
from gdprops.version import __version__

if TYPE_CHECKING:
    from gdprops.model.evidence import Compared
    from gdprops.model.outcome import Outcome
    from gdprops.model.verdict import Verdict

PAGE = Path(__file__).with_name("page")
WORDS = {
    Status.HELD: "no example violated the clause, and enough of them could have",
    Status.VIOLATED: "an example violates the clause; the smallest example found is shown",
    Status.ABORTED: "the code ran out of time or memory, or ended its process",
    Status.VACUOUS: "too few examples could have shown a violation: nothing is known",
    Status.NOT_APPLICABLE: "the clause is not about this kind of code; the reason is given",
    Status.ACCEPTED: "a violation that the owner knows of and accepts for the reason given",
    Status.ERROR: "gdprops itself failed; please report it",
}
ORDER = {
    status: place
    for place, status in enumerate(
        (
            Status.ERROR,
            Status.VIOLATED,
            Status.ABORTED,
            Status.ACCEPTED,
            Status.VACUOUS,
            Status.NOT_APPLICABLE,
            Status.HELD,
        )
    )
}
"""The position of each status if a table is sorted by status."""


def write_html(path: str, outcomes: Sequence[Outcome]) -> None:
    """Write the page of these runs to a file."""
    Path(path).write_text(page(outcomes), encoding="utf-8")


def page(outcomes: Sequence[Outcome]) -> str:
    """Return the page of these runs as text. Needs jinja2 and matplotlib."""
    import jinja2

    loader = jinja2.FileSystemLoader(PAGE)
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    ran = dict.fromkeys(v.clause for outcome in outcomes for v in outcome.of(About.SUBJECT))
    return environment.get_template("report.html.j2").render(
        runs=[_run(outcome) for outcome in outcomes],
        clauses=[clause.id for clause in catalogue() if clause.id in ran],
        lessons=figures.lessons(),
        words=list(WORDS.items()),
        specification=SPECIFICATION,
        version=__version__,
        style=(PAGE / "style.css").read_text(encoding="utf-8"),
        script=(PAGE / "script.js").read_text(encoding="utf-8"),
    )


def in_notebook(outcomes: Sequence[Outcome]) -> str:
    """Return the page inside an iframe, so that the styles of the page and of the notebook do not mix."""
    inside = escape(page(outcomes), quote=True)
    return f'<iframe srcdoc="{inside}" title="gdprops" style="width: 100%; height: 44rem; border: 0"></iframe>'


def _run(outcome: Outcome) -> dict[str, Any]:
    subject = outcome.of(About.SUBJECT) or outcome.verdicts
    return {
        "subject": outcome.subject,
        "ok": outcome.exit_code == 0,
        "complete": outcome.complete,
        "summary": summary_line(outcome),
        "advice": [*note_lines(outcome), *advice(outcome)],
        "profile": outcome.profile,
        "seed": outcome.seed,
        "strict": outcome.strict,
        "violations": [_violation(verdict, outcome) for verdict in in_full(outcome)],
        "rows": [_row(verdict) for verdict in subject],
        "status_of": {verdict.clause: verdict.status.value for verdict in subject},
        "reference": reference_line(outcome) if outcome.of(About.SUBJECT) else None,
        "ratios": figures.worst_ratios(outcome),
    }


def _row(verdict: Verdict) -> dict[str, Any]:
    known = next((clause for clause in catalogue() if clause.id == verdict.clause), None)
    worst = verdict.worst_ratio
    return {
        "clause": verdict.clause,
        "statement": verdict.statement,
        "claim": known is not None and known.claim,
        "source": known.source if known else "",
        "decision": known.decision if known else "",
        "remark": remark(verdict),
        "status": verdict.status.value,
        "order": ORDER[verdict.status],
        "decisive": decisive(verdict),
        "decisive_value": verdict.decisive,
        "ratio": ratio(verdict),
        "ratio_value": -1 if worst is None else worst if math.isfinite(worst) else "Infinity",
    }


def _violation(verdict: Verdict, outcome: Outcome) -> dict[str, Any]:
    example = verdict.counterexample
    return {
        "clause": verdict.clause,
        "status": verdict.status.value,
        "statement": verdict.statement,
        "explanation": verdict.explanation,
        "facts": [*facts(verdict, outcome.subject), *_traceback(verdict)],
        "picture": figures.displacements(verdict),
        "tensors": [row for compared in verdict.compared for row in _weights(compared)],
        "python": example.python.strip() if example else "",
        "replay": example.replay if example else None,
    }


def _traceback(verdict: Verdict) -> Iterator[tuple[str, str]]:
    if "\n" in verdict.reason.strip():
        yield "raised", verdict.reason.strip()


def _weights(compared: Compared) -> Iterator[dict[str, Any]]:
    """Yield a row for each entry of a tensor, if the tensor is small enough to be shown."""
    if compared.seen is None or compared.expected is None:
        return
    for k, (seen, expected) in enumerate(zip(compared.seen, compared.expected, strict=True)):
        yield {
            "name": compared.parameter + _index(k, compared.shape),
            "start": "" if compared.start is None else _value(compared.start[k]),
            "expected": _value(expected),
            "seen": _value(seen),
            "wrong": compared.wrong and seen != expected,
        }


def _index(position: int, shape: Sequence[int]) -> str:
    found: list[int] = []
    for size in reversed(shape):
        position, place = divmod(position, size)
        found.insert(0, place)
    return f"[{', '.join(map(str, found))}]" if found else ""


def _value(value: float) -> str:
    return number(value) if float(number(value)) == value else repr(value)
