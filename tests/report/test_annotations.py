"""In a GitHub workflow a violation whose line is known is told at that line; elsewhere nothing is printed."""

from __future__ import annotations

from pathlib import Path

import pytest

from gdprops.model.code_place import Place
from gdprops.model.live_finding import LiveFinding
from gdprops.model.note import Note
from gdprops.report.annotations import annotation_lines
from gdprops.report.report_files import Files
from gdprops.report.user_lines import lines_of
from tests.report import verdicts
from tests.report.verdicts import Level

PLACED = verdicts.violated(places=(Note("W2 is written here", "net,1.py", 15),), explanation="50 %\nof it")


def test_a_violation_is_told_at_its_line_with_everything_escaped() -> None:
    assert list(annotation_lines([verdicts.outcome(PLACED, subject="net,1.py")])) == [
        "::error file=net%2C1.py,line=15,title=gdprops%3A step.simultaneous::net,1.py: 50 %25 of it"
    ]


def test_a_recommendation_is_a_warning() -> None:
    found = LiveFinding("live.mode", Level.RECOMMENDED, "the model is in evaluation mode", places=(Place("t.py", 7),))
    advised = verdicts.violated(
        clause="live.mode", level=Level.RECOMMENDED, explanation=None, reason=found.sentence, findings=(found,)
    )
    assert list(annotation_lines([verdicts.outcome(advised, subject="t.py")])) == [
        "::warning file=t.py,line=7,title=gdprops%3A live.mode::t.py: the model is in evaluation mode"
    ]


def test_the_line_of_an_exception_is_known_if_it_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    raised = verdicts.violated(explanation=None, reason="step(x, y) raised TypeError at my step.py:12: nothing at all")
    assert list(annotation_lines([verdicts.outcome(raised)])) == []
    (tmp_path / "my step.py").write_text("", encoding="utf-8")
    (line,) = annotation_lines([verdicts.outcome(raised)])
    assert line.startswith("::error file=my step.py,line=12,title=")


def test_one_fault_is_told_once() -> None:
    primary = verdicts.violated(also=("step.plain",), same_fault=("step.plain",), places=PLACED.places)
    run = verdicts.outcome(primary, verdicts.violated(clause="step.plain", places=PLACED.places))
    assert len(list(annotation_lines([run]))) == 1


@pytest.mark.parametrize(("value", "count"), [("true", 1), ("false", 0), ("", 0)])
def test_they_are_printed_in_a_workflow_only(
    value: str, count: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    monkeypatch.setenv("GITHUB_ACTIONS", value)
    assert Files().write([verdicts.outcome(PLACED)])
    told = capsys.readouterr()
    assert told.err.count("::error file=") == count
    assert told.out == ""


def test_a_finding_of_a_watched_run_has_its_own_lines_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.py").write_text("", encoding="utf-8")
    sentence = "the step at t.py:8 uses the gradients of t.py:7 again"
    found = LiveFinding("live.once", Level.REQUIRED, sentence, places=(Place("t.py", 8), Place("t.py", 7)))
    verdict = verdicts.violated(explanation=None, reason=sentence, findings=(found,))
    assert [(place.line, place.text) for place in lines_of(verdict)] == [(8, sentence), (7, sentence)]
