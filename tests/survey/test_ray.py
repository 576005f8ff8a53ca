"""A survey on a local Ray cluster of two workers: the same matrix, also where a worker is killed or Ray is down."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gdprops.cli import main
from tests.survey.killing import MARK
from tests.survey.surveys import HERE, QUICK, Cell, cells

pytest.importorskip("ray", reason="the extra `ray` is not installed")

pytestmark = pytest.mark.xdist_group("survey")


def survey(folder: Path, name: str, modules: str, *flags: str) -> list[Cell]:
    path = folder / f"{name}.json"
    assert main(["survey", modules, *QUICK, "-n", "2", "-q", "--json", str(path), *flags]) in (0, 1)
    return cells(path)


@pytest.mark.nightly  # a cluster takes a minute; without Ray the same is shown in test_survey
def test_ray_finds_the_same_as_two_processes(registry_on_two: Path, tmp_path: Path) -> None:
    local = cells(registry_on_two)
    assert survey(tmp_path, "ray", f"{HERE}:registry", "--ray") == local
    assert local


@pytest.mark.nightly  # a cluster more, and a minute; a survey on Ray is examined above
def test_a_killed_worker_is_begun_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    mark = tmp_path / "killed"
    monkeypatch.setenv(MARK, str(mark))
    on_ray = survey(tmp_path, "ray", "tests.survey.killing", "--ray")
    assert mark.read_text(encoding="utf-8").strip("[]"), "no worker was there to be killed"
    assert "warning" not in capfd.readouterr().err
    assert survey(tmp_path, "local", "tests.survey.killing") == on_ray
    assert {key for key, *_ in on_ray} == {"tests.survey.killing:Killing", "tests.survey.killing:Quiet"}


def test_where_ray_is_down_this_machine_does_the_work(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    found = survey(tmp_path, "down", f"{HERE}:registry", "--ray", "127.0.0.1:1")
    said = capfd.readouterr().err
    assert "gdprops: warning: Ray at 127.0.0.1:1 cannot be used (" in said
    assert "this machine does the work" in said
    assert found


def test_ray_that_is_not_installed_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    none: Any = lambda name: None  # noqa: E731 - stands for a function of the standard library
    monkeypatch.setattr("importlib.util.find_spec", none)
    assert main(["survey", HERE, "--ray"]) == 2
    assert capsys.readouterr().err == "gdprops: error: --ray needs ray: pip install 'gdprops[ray]'\n"
