"""Every form of the report counts the same: one run with every status, told by all of them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest

from gdprops.model.ending import Ending
from gdprops.report.consoles import to_text
from gdprops.report.headline import chapters
from gdprops.report.json_file import write_json
from gdprops.report.junit_file import write_junit
from gdprops.report.markdown_file import markdown
from gdprops.report.progress import Progress
from gdprops.report.progress_display import Display
from gdprops.report.summary import summary_line
from gdprops.report.terminal import outcome_text, print_outcome
from tests.report import verdicts
from tests.report.verdicts import Level, Status

WHOLE = verdicts.outcome(
    verdicts.held(clause="step.once"),
    verdicts.held(clause="step.plain"),
    verdicts.violated(also=("step.cost",), same_fault=("step.cost",)),
    verdicts.violated(clause="step.cost", level=Level.RECOMMENDED),
    verdicts.held(clause="step.mode", status=Status.ABORTED, reason="60 s used up"),
    verdicts.held(clause="step.moves-all", status=Status.ERROR, reason="KeyError"),
    verdicts.held(clause="step.clipping", status=Status.ACCEPTED, reason="known"),
    verdicts.vacuous(),
    verdicts.not_applicable(clause="step.in-backward"),
    verdicts.not_applicable(clause="step.accumulation"),
    verdicts.reference(),
)
COUNTS = {
    "held": 2,
    "violated": 1,
    "violated-recommended": 1,
    "aborted": 1,
    "error": 1,
    "accepted": 1,
    "vacuous": 1,
    "not-applicable": 2,
}
WORDS = (
    "2 held",
    "1 violated",
    "1 violated (recommended)",
    "1 aborted",
    "1 error",
    "1 accepted",
    "1 not decided",
    "2 do not apply",
)


def test_the_counts_of_a_run_name_every_ending_once() -> None:
    assert {ending.value: count for ending, count in WHOLE.counts.items()} == COUNTS
    assert list(WHOLE.counts) == list(Ending)


def test_the_terminal_and_markdown_tell_them_in_the_chapter() -> None:
    assert chapters(WHOLE) == {"step": " · ".join(WORDS)}
    assert f"step  {' · '.join(WORDS)}" in to_text(lambda page: print_outcome(page, WHOLE), width=200)
    assert f"- **step** {' · '.join(WORDS)}" in markdown([WHOLE])


def test_the_summary_in_pytest_tells_them_with_reasons() -> None:
    told = re.sub(r" \((?!recommended)[^)]*\)", "", summary_line(WHOLE).partition(": ")[2])
    assert told == f"of 10 clauses, {', '.join(WORDS)}."


def test_the_line_of_progress_tells_what_is_alarming() -> None:
    lines: list[str] = []
    watching = Progress(Display(lines.append, interval=0.0))
    item: Any = SimpleNamespace(clause=SimpleNamespace(id="step.plain"), about=verdicts.About.SUBJECT)
    watching.started(item, 10)
    for verdict in WHOLE.verdicts:
        watching.finished(verdict)
    assert lines[-1].startswith(f"10 of 10 clauses done ({', '.join(WORDS[1:5])}), now step.plain")


def test_json_has_them_as_a_table(tmp_path: Path) -> None:
    write_json(str(tmp_path / "r.json"), [WHOLE])
    assert json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))["counts"] == COUNTS


def test_junit_has_them_as_properties_of_the_suite(tmp_path: Path) -> None:
    write_junit(str(tmp_path / "r.xml"), [WHOLE])
    (suite,) = ElementTree.parse(tmp_path / "r.xml").getroot()
    told = {p.attrib["name"]: p.attrib["value"] for p in suite.findall("properties/property")}
    assert {name: int(told[name]) for name in COUNTS} == COUNTS
    assert (suite.attrib["failures"], suite.attrib["errors"], suite.attrib["skipped"]) == ("2", "1", "4")


def test_the_tiles_of_the_page_show_them() -> None:
    pytest.importorskip("jinja2", reason="the extra `report` is not installed")
    pytest.importorskip("matplotlib", reason="the extra `report` is not installed")
    from gdprops.report.html_file import page

    tiles = re.findall(r'class="tile ([a-z-]+)".*?<strong>(\d+)</strong> (.*?)</button>', page([WHOLE]))
    assert {ending: int(count) for ending, count, _ in tiles} == COUNTS
    assert tuple(f"{count} {words}" for _, count, words in tiles) == WORDS


def test_a_violated_recommendation_is_marked_where_it_is_named() -> None:
    assert "violates    step.simultaneous, step.cost (recommended)\n" in outcome_text(WHOLE)
    assert "- **violates** step.simultaneous, step.cost (recommended)\n" in markdown([WHOLE])
