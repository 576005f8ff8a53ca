"""`gdprops survey`: one process per optimizer, whatever that one does."""

from __future__ import annotations

import json
import re
import shutil
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from gdprops.cli import main
from gdprops.model.verdict import Status
from gdprops.survey.matrix_file import read_survey
from gdprops.survey.matrix_text import print_survey
from gdprops.survey.survey_data import changes
from tests.survey.surveys import HERE, QUICK, cells

pytestmark = pytest.mark.xdist_group("survey")
HURRIED = (*QUICK, "--timeout", "2")


@pytest.fixture(scope="module")
def surveyed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of one survey of the small package, on two processes."""
    folder = tmp_path_factory.mktemp("survey")
    options = ("--json", f"{folder}/two.json", "--markdown", f"{folder}/two.md", "-n", "2", "-q")
    assert main(["survey", HERE, *HURRIED, *options]) == 1
    return folder


@pytest.mark.daily
def test_each_optimizer_gets_what_it_deserves(surveyed: Path) -> None:
    entries = {entry.key.partition(":")[2]: entry for entry in read_survey(f"{surveyed}/two.json").entries}
    assert not entries["Right"].red
    assert "optimizer.parameter-order" in entries["Wrong"].red
    assert entries["Dies"].aborted == "its process ended early: SIGABRT"
    assert "missing 1 required positional argument: 'base'" in entries["Needs"].unusable
    assert "needs torch.distributed, and there is no process group" in entries["Gathers"].unusable
    hung, greedy = (entries[name].outcome.verdicts for name in ("Hangs", "Greedy"))
    assert [v.status for v in hung if v.status is not Status.NOT_APPLICABLE] == [Status.ABORTED]
    assert hung[0].reason == "the subject used more than its 6 s to show its traits (--timeout raises the limit)"
    assert any("ran out of memory" in v.reason for v in greedy if v.status is Status.ABORTED)
    assert not any(v.status is Status.VIOLATED for v in greedy)
    poisoned = entries["Poisons"].outcome.verdicts
    assert [v.status for v in poisoned if v.status is not Status.NOT_APPLICABLE] == [Status.ABORTED]
    assert poisoned[0].reason == ("step() leaves torch changed for the whole process: gradients enabled True -> False")


def test_what_hangs_is_told_once(surveyed: Path) -> None:
    console = Console(file=StringIO(), width=200)
    print_survey(console, read_survey(f"{surveyed}/two.json"))
    (line,) = [line for line in console.file.getvalue().splitlines() if line.startswith(f"{HERE}:Hangs: ")]  # type: ignore[attr-defined] # StringIO
    assert re.fullmatch(
        rf"{HERE}:Hangs: step.simultaneous aborted; the subject used more than its 6 s to show its .*", line
    )


def test_a_narrow_terminal_shows_every_name(surveyed: Path) -> None:
    console = Console(file=StringIO(), width=40)
    print_survey(console, read_survey(f"{surveyed}/two.json"))
    shown = console.file.getvalue()  # type: ignore[attr-defined] # StringIO
    assert re.search(r"(?m)^  Wrong +\d+ +\d+ *$", shown)
    assert re.search(r"(?m)^  Dies \(aborted\)", shown)


def test_one_process_finds_the_same_as_two(registry_on_two: Path, tmp_path: Path) -> None:
    one = tmp_path / "one.json"
    assert main(["survey", f"{HERE}:registry", *QUICK, "--json", str(one), "-n", "1", "-q"]) == 1
    assert cells(one) == cells(registry_on_two)


def test_the_markdown_holds_the_matrix_the_traits_and_the_messages(surveyed: Path) -> None:
    text = (surveyed / "two.md").read_text()
    assert f"| {HERE}:Right | ✓" in text
    assert "`step.simultaneous`" in text
    assert "| optimizer | clock |" in text
    assert f"- `{HERE}:Dies`: its process ended early: SIGABRT" in text


def test_an_interrupted_survey_goes_on(surveyed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, whole = tmp_path / "s.json", json.loads((surveyed / "two.json").read_text())
    whole["complete"] = False
    whole["reports"] = [r for r in whole["reports"] if not r["key"].endswith("Right")]
    path.write_text(json.dumps(whole))
    assert main(["survey", HERE, *HURRIED, "--json", str(path), "-n", "1"]) == 1
    found = read_survey(str(path))
    assert found.complete
    assert [entry.key.partition(":")[2] for entry in found.entries] == [
        "Dies", "Gathers", "Greedy", "Hangs", "Needs", "Poisons", "Right", "Wrong",
    ]  # fmt: skip
    assert found.timing["seconds"] < 60
    said = capsys.readouterr()
    assert "6 optimizers examined, 4 with a failed required clause, 1 aborted, 2 could not be examined." in " ".join(
        said.out.split()
    )
    taken = f"gdprops: 7 of 8 optimizers are taken from {path}, which was interrupted; remove that file to examine them"
    assert taken in said.err


def test_only_a_new_violation_is_red_when_compared(
    registry_on_two: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    same = ["survey", f"{HERE}:registry", *QUICK, "-n", "1", "-q", "--compare"]
    shutil.copy(registry_on_two, f"{tmp_path}/registry.json")
    assert main([*same, f"{tmp_path}/registry.json"]) == 0
    assert f"compared with {tmp_path}/registry.json: 0 changes, 0 new violations\n" in capsys.readouterr().out
    data = json.loads(Path(f"{tmp_path}/registry.json").read_text())
    for report in data["reports"]:
        for verdict in report["verdicts"]:
            verdict["status"] = "held"
    Path(f"{tmp_path}/registry.json").write_text(json.dumps(data))
    assert main([*same, f"{tmp_path}/registry.json"]) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert f"{HERE}:registry:Wrong: optimizer.parameter-order: held -> violated" in said
    assert "1 new violation " not in said
    assert re.search(r"\d+ changes, \d+ new violations", said)
    assert said.rindex("-> violated") < said.index("held -> not-applicable")


def test_equal_surveys_have_no_changes(surveyed: Path) -> None:
    survey = read_survey(f"{surveyed}/two.json")
    assert changes(survey, survey) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["torch.optin"], "no module is named 'torch.optin'"),
        ([HERE, "-p", "lrr=1"], "-p lrr: none of these optimizers takes it"),
        ([HERE, "--time", "0"], "--time 0: expected a positive number"),
        ([HERE, "--memory", "-1"], "--memory -1: expected a positive number"),
        ([HERE, "-n", "none"], "-n none: expected a number of processes"),
        ([HERE, "--compare", "nothing.json"], "nothing.json: cannot be read"),
        (
            [HERE, "--compare", "pyproject.toml"],
            "pyproject.toml is not a survey: expected a file that gdprops survey --json has written",
        ),
        ([HERE, "--json", "no/such/folder.json"], "--json no/such/folder.json: cannot be written"),
        ([HERE, "--markdown", "no/such/folder.md"], "--markdown no/such/folder.md: cannot be written"),
        ([HERE, "--examples", "0"], "examples=0; expected a whole number of at least 1"),
    ],
)
def test_wrong_usage_is_one_line_and_two(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["survey", *arguments]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
