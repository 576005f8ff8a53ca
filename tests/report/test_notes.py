"""A note is one line in every report; it changes no verdict and no exit code."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

from gdprops.model.clause import Level
from gdprops.model.json_form import to_dict, verdict_from_dict, verdict_to_dict
from gdprops.model.note import Note
from gdprops.model.outcome import Outcome
from gdprops.model.verdict import About, Status, Verdict
from gdprops.report.html_file import page
from gdprops.report.json_file import write_json
from gdprops.report.junit_file import write_junit
from gdprops.report.markdown_file import markdown
from gdprops.report.terminal import outcome_text

NOTE = Note("no group key named lr_scale is read", "train.py", 12)
SENTENCE = "note: no group key named lr_scale is read (train.py:12)"
HELD = Verdict("step.plain", About.SUBJECT, Level.REQUIRED, Status.HELD, "A sentence.", 20, 20, notes=(NOTE,))
OUTCOME = Outcome("mine", 0, "ci", (HELD, replace(HELD, clause="step.once")))


def test_the_terminal_shows_a_note_once_and_the_exit_code_stays() -> None:
    assert outcome_text(OUTCOME).count(SENTENCE) == 1
    assert OUTCOME.exit_code == 0


def test_the_json_form_has_it_in_one_place(tmp_path: Path) -> None:
    write_json(str(tmp_path / "out.json"), [OUTCOME])
    data = json.loads((tmp_path / "out.json").read_text())
    assert data["notes"] == [{"text": NOTE.text, "file": "train.py", "line": 12}]
    assert "notes" not in data["verdicts"][0]


def test_markdown_junit_and_the_page_show_it(tmp_path: Path) -> None:
    assert "no group key named lr\\_scale is read (train.py:12)" in markdown([OUTCOME])
    write_junit(str(tmp_path / "out.xml"), [OUTCOME])
    notes = ElementTree.parse(tmp_path / "out.xml").findall(".//testsuite/properties/property[@name='note']")
    assert [one.get("value") for one in notes] == ["no group key named lr_scale is read (train.py:12)"]
    assert "no group key named lr_scale is read (train.py:12)" in page([OUTCOME])


def test_it_travels_between_processes() -> None:
    assert verdict_from_dict(verdict_to_dict(HELD)) == HELD


def test_a_note_without_a_place_is_its_text() -> None:
    assert Note("nothing moves").sentence == "nothing moves"
    assert to_dict(replace(OUTCOME, verdicts=()))["notes"] == []
