"""What the README and the help show of trainers runs, and holds."""

from __future__ import annotations

import re
import shlex
from importlib.util import find_spec
from pathlib import Path

import pytest
from click.testing import CliRunner

from gdprops.cli import cli
from tests.meta.test_readme import blocks, readme

needs_lightning = pytest.mark.skipif(find_spec("lightning") is None, reason="lightning is an extra (tox -e lightning)")


def _module() -> str:
    (shown,) = [block for block in blocks("python") if "pl.LightningModule" in block]
    assert len(shown.strip().splitlines()) <= 10
    return shown


def _holds(command: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "train.py").write_text(f"import lightning.pytorch as pl, torch\n{_module()}")
    monkeypatch.chdir(folder)
    words = [*shlex.split(command)[1:], "--examples", "5", "--seed", "0", "--in-process", "-q", "--clauses", "step.*"]
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 0, done.output
    assert "PASSED" in done.output


@needs_lightning
def test_the_module_in_the_readme_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (command,) = re.findall(r"`(gdprops check [^`]*--as lightning [^`]*)`", readme())
    _holds(command, tmp_path, monkeypatch)


@needs_lightning
def test_the_trainer_in_the_help_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = str(CliRunner().invoke(cli.commands["check"], ["--help"]).output)
    lines = shown.partition("A trainer drives the module")[2].partition("\n\n")[0].splitlines()[1:]
    assert len(lines) <= 10
    (command,) = [line.strip() for line in lines if "--as lightning" in line]
    _holds(command, tmp_path, monkeypatch)


TRAINERS_PAGE = Path(__file__).parents[2] / "docs" / "pages" / "how-to" / "trainers.md"


def test_the_page_lists_every_trainer_of_the_help() -> None:
    shown = str(CliRunner().invoke(cli.commands["check"], ["--help"]).output)
    listed = set(re.findall(r"^\| `(\w+)` \| an? ", TRAINERS_PAGE.read_text("utf-8"), re.MULTILINE))
    offered = " ".join(shown.split()).partition("What the subject is: ")[2].partition(".")[0]
    assert listed == set(re.split(r", | or ", offered)) - {
        "optimizer",
        "training-step",
        "distributed-step",
        "backprop",
        "update-rule",
    }
