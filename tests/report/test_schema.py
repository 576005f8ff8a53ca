"""The JSON form is what its schema says, for every kind of verdict."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gdprops.model.evidence import Compared
from gdprops.model.outcome import Outcome
from gdprops.model.verdict import Status
from gdprops.report import json_file
from gdprops.report.json_file import write_json
from tests.report import verdicts

jsonschema = pytest.importorskip("jsonschema", reason="the extra `test` is not installed")

FILE = Path(json_file.__file__).with_name("schema.json")
NAN = float("nan")
FULL = verdicts.violated(
    compared=(Compared("w", (1,), True, NAN, None, (1.0,), (NAN,), (2.0,)), Compared("b", (), False))
)


def schema() -> Any:
    return json.loads(FILE.read_text(encoding="utf-8"))


def written(folder: Path, *outcomes: Outcome) -> Any:
    write_json(str(folder / "r.json"), outcomes)
    return json.loads((folder / "r.json").read_text(encoding="utf-8"))


def complaints(data: Any) -> list[str]:
    return [error.message for error in jsonschema.Draft202012Validator(schema()).iter_errors(data)]


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize("status", list(Status))
def test_one_run_of_every_status_is_valid(tmp_path: Path, status: Status) -> None:
    data = written(
        tmp_path,
        verdicts.outcome(
            replace(FULL, status=status), verdicts.vacuous(), verdicts.not_applicable(), verdicts.reference()
        ),
    )
    assert complaints(data) == []
    assert data["verdicts"][0]["compared"][0]["seen"] == ["nan"]


def test_several_runs_are_valid_and_so_is_none(tmp_path: Path) -> None:
    refused = verdicts.outcome(profile="", refused="no such file: x.py")
    runs = verdicts.outcome(FULL), verdicts.outcome(verdicts.held(), complete=False, seed=3), refused
    assert complaints(written(tmp_path, *runs)) == []
    assert complaints(written(tmp_path)) == []


@pytest.mark.parametrize("change", [{"schema": 2}, {"secret": 1}, {"exit_code": 4}, {"verdicts": [{}]}])
def test_the_test_can_fail(tmp_path: Path, change: dict[str, Any]) -> None:
    assert complaints({**written(tmp_path, verdicts.outcome(verdicts.held())), **change}) != []
