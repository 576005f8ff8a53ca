"""The report object and its JSON form."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gdprops.errors import UsageError
from gdprops.report.json_file import write_json
from gdprops.report.report import Report
from gdprops.report.report_files import ensure_writable
from tests.report import verdicts


def test_a_report_answers_what_was_found() -> None:
    report = Report(verdicts.outcome(verdicts.held(clause="step.cost"), verdicts.violated(), verdicts.reference()))
    assert not report.ok
    assert report.exit_code == 1
    assert [verdict.clause for verdict in report.violations] == ["step.simultaneous"]
    assert report["step.simultaneous"].blame == ("layer1.weight", "layer1.bias")
    assert report["gradient.pure"].about is verdicts.About.REFERENCE
    assert len(report) == len(list(report)) == 3
    assert "VIOLATED step.simultaneous" in str(report)
    assert repr(report) == "<Report on mypkg:MySGD(lr=0.5): exit code 1>"


def test_the_subjects_verdict_comes_before_the_references() -> None:
    report = Report(
        verdicts.outcome(verdicts.reference(clause="sequential.cost"), verdicts.held(clause="sequential.cost"))
    )
    assert report["sequential.cost"].about is verdicts.About.SUBJECT


def test_an_unknown_clause_is_a_key_error_with_the_nearest() -> None:
    with pytest.raises(KeyError, match=r"no verdict on 'step\.simultanous'; did you mean 'step\.simultaneous'\?"):
        Report(verdicts.outcome(verdicts.held()))["step.simultanous"]


def test_the_json_form_is_plain_and_strictly_valid() -> None:
    data = Report(verdicts.outcome(verdicts.violated(), verdicts.held())).to_dict()
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    first, second = data["verdicts"]
    assert first["worst_ratio"] == "inf"
    assert first["status"] == "violated"
    assert type(first["status"]) is str
    assert first["location"]["index"] == [0, 1]
    assert second["worst_ratio"] is None
    assert (data["schema"], data["ok"], data["exit_code"]) == (1, False, 1)


def test_a_file_is_written(tmp_path: Path) -> None:
    target = tmp_path / "r.json"
    write_json(str(target), [verdicts.outcome(verdicts.held(statement="−ηg"))])
    assert json.loads(target.read_text(encoding="utf-8"))["verdicts"][0]["statement"] == "−ηg"


def test_a_writable_path_is_left_as_it_was(tmp_path: Path) -> None:
    ensure_writable(str(tmp_path / "new.json"))
    assert not (tmp_path / "new.json").exists()
    old = tmp_path / "old.json"
    old.write_text("kept", encoding="utf-8")
    ensure_writable(str(old))
    assert old.read_text(encoding="utf-8") == "kept"


@pytest.mark.parametrize(
    ("name", "why"), [("no/such/folder/r.json", "No such file or directory"), ("", "Is a directory")]
)
def test_an_unwritable_path_is_refused_with_the_reason(tmp_path: Path, name: str, why: str) -> None:
    with pytest.raises(UsageError, match=rf"--json .*: cannot be written \({why}\)"):
        ensure_writable(str(tmp_path / name))
