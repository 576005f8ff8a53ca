"""The schema of the JSON form names every field: whoever adds one to a verdict adds it there, too."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from gdprops.model.evidence import Compared, Location
from gdprops.model.json_form import SCHEMA
from gdprops.model.note import Note
from gdprops.model.outcome import Outcome
from gdprops.model.verdict import Counterexample, Status, Verdict
from gdprops.report.json_file import outcome_dict

FILE = Path(__file__).parents[2] / "gdprops" / "report" / "schema.json"
DEFINED = json.loads(FILE.read_text(encoding="utf-8"))["$defs"]


@pytest.mark.parametrize(
    ("name", "described"),
    [
        ("verdict", Verdict),
        ("compared", Compared),
        ("location", Location),
        ("counterexample", Counterexample),
        ("note", Note),
    ],
)
def test_every_field_is_described(name: str, described: Any) -> None:
    names = {field.name for field in fields(described)} - {"seconds", "notes"}  # which stand elsewhere
    assert set(DEFINED[name]["properties"]) == names
    assert set(DEFINED[name]["required"]) == names


def test_a_run_is_described() -> None:
    assert set(DEFINED["run"]["properties"]) == set(outcome_dict(Outcome("a subject", None, "dev", ())))
    assert DEFINED["run"]["properties"]["schema"] == {"const": SCHEMA}
    assert set(DEFINED["verdict"]["properties"]["status"]["enum"]) == {status.value for status in Status}
