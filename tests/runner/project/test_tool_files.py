"""`gdprops init --github`, `--tox` and `--pre-commit` write files that were not there, and nothing else."""

from __future__ import annotations

import configparser
from pathlib import Path

import pytest

from gdprops.cli import main


def test_the_workflows_are_written_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["init", "--github"]) == 0
    told = capsys.readouterr().out
    assert told == ".github/workflows/gdprops.yml: written.\n.github/workflows/gradient-descent.yml: written.\n"
    written = (tmp_path / ".github" / "workflows" / "gdprops.yml").read_text(encoding="utf-8")
    assert '"torch==2.13.0"' in written
    assert main(["init", "--github"]) == 2
    assert "gdprops.yml is there already; gdprops init never overwrites" in capsys.readouterr().err


def test_an_environment_is_added_to_those_of_tox(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tox.ini").write_text("[tox]\nenv_list = py311\n", encoding="utf-8")
    assert main(["init", "--tox", "--pre-commit"]) == 0
    parser = configparser.ConfigParser()
    parser.read(tmp_path / "tox.ini")
    assert parser.sections() == ["tox", "testenv:gdprops"]
    assert "pytest pyproject.toml --gdprops" in (tmp_path / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    capsys.readouterr()
    assert main(["init", "--tox"]) == 2
    assert "tox.ini has [testenv:gdprops] already; gdprops init never overwrites" in capsys.readouterr().err


def test_nothing_is_written_where_one_of_the_files_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".pre-commit-config.yaml").write_text("repos: []\n", encoding="utf-8")
    assert main(["init", "--github", "--pre-commit"]) == 2
    assert ".pre-commit-config.yaml is there already" in capsys.readouterr().err
    assert not (tmp_path / ".github").exists()
    assert main(["init"]) == 2
    assert "init takes a subject, or --github, --tox or --pre-commit" in capsys.readouterr().err
