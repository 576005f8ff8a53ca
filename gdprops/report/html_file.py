"""Write one self-contained HTML page: the verdicts, the statement and source of each clause, and the pictures."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gdprops.clauses import catalogue
from gdprops.model import exit_codes
from gdprops.model.ending import ALARMS, Ending, ending_of, words_of
from gdprops.model.verdict import SPECIFICATION, About
from gdprops.report import pictures
from gdprops.report.answer import answer_of
from gdprops.report.headline import WORDS, chapter_of
from gdprops.report.phrases import decisive, ratio
from gdprops.report.phrases import number as rounded
from gdprops.report.subjects_table import found, summary
from gdprops.report.verdict_table import remark
from gdprops.runner.written_file import write_file
from gdprops.version import __version__

if TYPE_CHECKING:
    from gdprops.model.evidence import Compared
    from gdprops.model.outcome import Outcome
    from gdprops.model.verdict import Verdict
    from gdprops.report.fault_block import FaultBlock

PAGE = Path(__file__).with_name("page")
MEANINGS = {
    Ending.HELD: "no example violated the clause, and enough of them could have",
    Ending.VIOLATED: "an example violates the clause; the smallest example found is shown",
    Ending.ADVISED: "the same, of a clause that is recommended only: it fails with --strict",
    Ending.ABORTED: "the code ran out of time or memory, or ended its process",
    Ending.VACUOUS: "too few examples could have shown a violation: nothing is known",
    Ending.NOT_APPLICABLE: "the clause is not about this kind of code; the reason is given",
    Ending.ACCEPTED: "a violation that the owner knows of and accepts for the reason given",
    Ending.ERROR: "gdprops itself failed; please report it",
}
LAST = (Ending.ACCEPTED, Ending.VACUOUS, Ending.NOT_APPLICABLE, Ending.HELD)
ORDER = {ending: place for place, ending in enumerate((*ALARMS, *LAST))}
"""The position of each ending if a table is sorted by status."""
TONES = {exit_codes.OK: "good", exit_codes.VIOLATED: "bad", exit_codes.BUG: "error"}
"""By exit code, the color of a headline; everything else is open."""


def write_html(path: str, outcomes: Sequence[Outcome]) -> None:
    """Write the page of these runs to a file."""
    write_file(path, page(outcomes))


def page(outcomes: Sequence[Outcome]) -> str:
    """Return the page of these runs as text. Needs jinja2 and matplotlib."""
    import jinja2

    loader = jinja2.FileSystemLoader(PAGE)
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    ran = dict.fromkeys(v.clause for outcome in outcomes for v in outcome.of(About.SUBJECT))
    runs = [_run(outcome, number) for number, outcome in enumerate(outcomes, 1)]
    together = exit_codes.worst(outcome.exit_code for outcome in outcomes)
    return environment.get_template("report.html.j2").render(
        runs=runs,
        answer=runs[0]["headline"] if len(runs) == 1 else summary(outcomes) if runs else "",
        tone=TONES.get(together, "open"),
        clauses=[clause.id for clause in catalogue() if clause.id in ran],
        lessons=pictures.lessons(),
        words=[(ending.value, words_of(ending, 1), MEANINGS[ending]) for ending in Ending],
        specification=SPECIFICATION,
        version=__version__,
        style=(PAGE / "style.css").read_text(encoding="utf-8"),
        script=(PAGE / "script.js").read_text(encoding="utf-8"),
    )


def in_notebook(outcomes: Sequence[Outcome]) -> str:
    """Return the page inside an iframe, so that the styles of the page and of the notebook do not mix."""
    inside = escape(page(outcomes), quote=True)
    return f'<iframe srcdoc="{inside}" title="gdprops" style="width: 100%; height: 44rem; border: 0"></iframe>'


def _run(outcome: Outcome, number: int) -> dict[str, Any]:
    answer = answer_of(outcome)
    chapters: dict[str, list[dict[str, Any]]] = {}
    for place, verdict in enumerate(outcome.of(About.SUBJECT)):
        chapters.setdefault(chapter_of(verdict.clause), []).append(_row(verdict, place, number))
    return {
        "number": number,
        "subject": outcome.subject,
        "headline": answer.headline,
        "word": WORDS[outcome.exit_code][0].lower(),
        "tone": TONES.get(outcome.exit_code, "open"),
        "found": found(outcome),
        "tiles": [(e.value, count, words_of(e, count)) for e, count in outcome.counts.items() if count],
        "blocks": [_block(block, number, place) for place, block in enumerate(answer.blocks, 1)],
        "told": answer.told,
        "chapters": [{"name": n, "endings": answer.chapters[n], "rows": rows} for n, rows in chapters.items()],
        "endings": {v.clause: (ending_of(v).value, words_of(ending_of(v), 1)) for v in outcome.told},
        "asked": answer.asked,
        "ratios": pictures.worst_ratios(outcome),
    }


def _anchor(clause: str, number: int) -> str:
    """Return the anchor of a clause of the run of this number, such as ``run1-step.simultaneous``."""
    return f"run{number}-{clause}"


def _row(verdict: Verdict, place: int, number: int) -> dict[str, Any]:
    known = next((clause for clause in catalogue() if clause.id == verdict.clause), None)
    worst, ending = verdict.worst_ratio, ending_of(verdict)
    return {
        "clause": verdict.clause,
        "anchor": _anchor(verdict.clause, number),
        "place": place,
        "statement": verdict.statement,
        "claim": known is not None and known.claim,
        "source": known.source if known else "",
        "decision": known.decision if known else "",
        "remark": remark(verdict),
        "ending": ending.value,
        "words": words_of(ending, 1),
        "order": ORDER[ending],
        "decisive": decisive(verdict),
        "decisive_value": verdict.decisive,
        "ratio": ratio(verdict),
        "ratio_value": -1 if worst is None else worst if math.isfinite(worst) else "Infinity",
    }


def _block(block: FaultBlock, number: int, place: int) -> dict[str, Any]:
    verdict = block.verdict
    return {
        "anchor": f"run{number}-fault{place}",
        "row": _anchor(verdict.clause, number),
        "clause": verdict.clause,
        "ending": ending_of(verdict).value,
        "words": words_of(ending_of(verdict), 1),
        "facts": block.facts,
        "traceback": block.traceback,
        "script": block.script,
        "doubt": block.doubt,
        "replay": block.replay,
        "picture": pictures.displacements(verdict),
        "weights": [row for compared in verdict.compared for row in _weights(compared)],
        "unlisted": ", ".join(c.parameter for c in verdict.compared if c.seen is None or c.expected is None),
    }


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
    return rounded(value) if float(rounded(value)) == value else repr(value)
