"""The record of a run has versions, platform, date and command, and no password."""

from __future__ import annotations

import json
import platform
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gdprops.report.json_file import outcome_dict, write_json
from gdprops.report.run_record import command, masked, run_record
from gdprops.version import __version__
from tests.report import verdicts


def test_a_record_has_versions_platform_date_and_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["/usr/local/bin/gdprops", "check", "my file.py", "--seed", "0"])
    monkeypatch.setenv("GDPROPS_SECRET", "in the environment")
    found = run_record()
    assert list(found) == ["gdprops", "python", "torch", "numpy", "hypothesis", "platform", "date", "command"]
    assert (found["gdprops"], found["python"]) == (__version__, platform.python_version())
    assert found["command"] == "gdprops check 'my file.py' --seed 0"
    assert abs((datetime.now(UTC) - datetime.fromisoformat(found["date"])).total_seconds()) < 60
    assert "in the environment" not in str(found)


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("redis://user:secret@host:6379/0", "redis://user:***@host:6379/0"),
        ("--share=redis://:secret@host", "--share=redis://:***@host"),
        ("rediss://user:se:cr@et@host/0", "rediss://user:***@host/0"),
        ("https://host/?token=secret&seed=1", "https://host/?token=***&seed=1"),
        ("redis://host:6379/0", "redis://host:6379/0"),
        ("train.py:build", "train.py:build"),
        ("user@host", "user@host"),
    ],
)
def test_passwords_of_addresses_are_masked(typed: str, shown: str) -> None:
    assert masked(typed) == shown


def test_a_command_is_shown_without_the_folder_of_its_program() -> None:
    assert command(["/opt/x/gdprops/__main__.py", "check", "a:B"]) == "gdprops check a:B"
    assert command([""]) == "python"


def test_with_a_seed_everything_else_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    first = outcome_dict(verdicts.outcome(verdicts.held(), seed=0, timing={"seconds": 1.0}))
    monkeypatch.setattr("sys.argv", ["pytest"])
    second = outcome_dict(verdicts.outcome(verdicts.held(seconds=9.0), seed=0, timing={"seconds": 2.0}))
    assert first["run"]["command"] != second["run"]["command"]
    assert {key for key in first if first[key] != second[key]} == {"timing", "run"}


def test_several_runs_have_one_record(tmp_path: Path) -> None:
    write_json(str(tmp_path / "r.json"), [verdicts.outcome(verdicts.held())] * 2)
    data = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert data["run"]["gdprops"] == __version__
    assert all("run" not in one for one in data["runs"])
