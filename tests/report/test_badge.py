"""A badge says held only where the whole run was green."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gdprops.cli import main
from gdprops.errors import UsageError
from gdprops.report.badge import badge


def report(code: int, **counts: int) -> dict[str, Any]:
    return {"specification": 3, "exit_code": code, "counts": counts}


@pytest.mark.parametrize(
    ("given", "message", "color"),
    [
        (report(0, held=42), "specification 3: 42 clauses held", "brightgreen"),
        (report(0, held=1), "specification 3: 1 clause held", "brightgreen"),
        (report(1, held=40, violated=2), "specification 3: 2 clauses violated", "red"),
        (report(1, held=40, aborted=1), "specification 3: 1 clause violated", "red"),
        (report(1, held=3), "specification 3: failed", "red"),
        (report(5), "specification 3: not decided", "lightgrey"),
        (report(130, held=9), "specification 3: interrupted", "lightgrey"),
        (report(3, held=9), "specification 3: not decided", "lightgrey"),
    ],
)
def test_it_says_how_the_run_ended(given: dict[str, Any], message: str, color: str) -> None:
    assert badge(given) == {"schemaVersion": 1, "label": "gdprops", "message": message, "color": color}


def test_several_subjects_are_one_badge() -> None:
    both = {"specification": 3, "exit_code": 0, "runs": [report(0, held=2), report(0, held=3)]}
    assert badge(both)["message"] == "specification 3: 5 clauses held"


def test_what_is_no_report_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError, match="this is no report that gdprops wrote with --json: KeyError: 'exit_code'"):
        badge({})
    (tmp_path / "x.json").write_text("[", encoding="utf-8")
    assert main(["badge", str(tmp_path / "x.json")]) == 2
    assert "x.json cannot be read: Expecting value" in capsys.readouterr().err
    (tmp_path / "y.json").write_text(json.dumps(report(0, held=7)), encoding="utf-8")
    assert main(["badge", str(tmp_path / "y.json")]) == 0
    assert json.loads(capsys.readouterr().out)["message"] == "specification 3: 7 clauses held"
