"""Several subjects: one row each, one report each, and the worst exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gdprops.cli import main
from gdprops.model import exit_codes
from gdprops.model.clause import Level
from gdprops.model.note import Note
from gdprops.model.outcome import Outcome
from gdprops.report.junit_file import write_junit
from gdprops.report.report import Report
from gdprops.report.subjects_table import found, sentence, status_of, summary
from tests.report.verdicts import Status, held, outcome, vacuous, violated
from tests.samples import student_files

BROKEN = "import no_such_module\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in (("ann", student_files.PLAIN), ("bob", student_files.UPDATES_AS_IT_GOES), ("eve", BROKEN)):
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path


COMMON = ("--as", "backprop", "--clauses", "step.simultaneous", "--examples", "5", "--seed", "0")


def test_a_row_for_each_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "ann.py", "bob.py", "eve.py", *COMMON, "--json", "all.json"]) == 1
    out = capsys.readouterr().out
    rows = {line.split()[0]: line for line in out.splitlines() if ".py" in line.split(" ")[0]}
    assert rows["ann.py"].split() == ["ann.py", "passed", "1", "clause", "held"]
    assert "failed   step.simultaneous: the step uses" in rows["bob.py"]
    assert "refused  cannot be imported" in rows["eve.py"]
    counted = "3 subjects: 1 passed, 1 failed, 1 refused.\n"
    assert out.startswith(counted)
    assert "gdprops check SUBJECT tells more about one of them, -v about all" in out
    assert "add it with -p, for instance -p targets=vector" in " ".join(out.split())
    assert out.endswith(f"\n{counted}")
    assert "VIOLATED" not in out
    reports = json.loads((folder / "all.json").read_text(encoding="utf-8"))
    assert [r["exit_code"] for r in reports["runs"]] == [0, 1, 2]
    assert reports["runs"][2]["refused"].startswith("cannot be imported: ModuleNotFoundError")
    assert (reports["exit_code"], reports["ok"]) == (1, False)


def test_verbose_reports_come_first(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "ann.py", "bob.py", *COMMON, "-v"]) == 1
    out = capsys.readouterr().out
    assert "VIOLATED step.simultaneous" in out
    assert out.index("VIOLATED step.simultaneous") < out.index("2 subjects:")


def test_a_file_alone_has_its_report(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "bob.py", *COMMON]) == 1
    out = capsys.readouterr().out
    assert "VIOLATED step.simultaneous" in out
    assert "step = runpy.run_path('bob.py')['step']" in out
    saved = next(Path(".gdprops").glob("*.json"))
    assert main(["replay", str(saved), "bob.py", "--as", "backprop"]) == 1
    assert main(["replay", str(saved), "ann.py", "--as", "backprop"]) == 2


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ([outcome(held()), outcome(vacuous())], 5),
        ([outcome(held()), outcome(refused="no"), outcome(vacuous())], 2),
        ([outcome(refused="no"), outcome(violated())], 1),
        ([outcome(held())], 0),
    ],
)
def test_the_worst_exit_code(outcomes: list[Outcome], expected: int) -> None:
    assert exit_codes.worst(outcome.exit_code for outcome in outcomes) == expected


def test_a_refusal_is_counted() -> None:
    assert summary([outcome(held()), outcome(refused="no")]) == "2 subjects: 1 passed, 1 refused."


def test_a_refusal_is_an_error_in_junit(tmp_path: Path) -> None:
    write_junit(str(tmp_path / "all.xml"), [outcome(refused="no module")])
    assert '<error message="no module" />' in (tmp_path / "all.xml").read_text(encoding="utf-8")


def test_a_row_says_why_a_run_without_any_violation_failed_or_was_not_finished() -> None:
    assert found(outcome(held(), min_clauses=2)) == "min-clauses = 2, but only 1 clause held."
    assert found(outcome(min_clauses=1)) == "min-clauses = 1, but only 0 clauses held."
    ended = outcome(held(), violated(clause="step.plain"), interrupted=True, complete=False)
    assert found(ended).startswith("step.plain: A layer-by-layer update")
    early = outcome(held(), interrupted=True, complete=False)
    assert found(early) == "interrupted: 1 clause held until then, and the others were not run"
    assert (status_of(early), sentence(early)) == ("interrupted", found(early))


def test_a_run_that_more_examples_may_decide_says_so() -> None:
    more = "Some examples could have shown a fault, but too few of them: try more --examples."
    assert found(outcome(held(status=Status.VACUOUS, decisive=2))) == f"no clause held: nothing was shown. {more}"
    assert found(outcome(held(status=Status.VACUOUS, decisive=0))) == "no clause held: nothing was shown"
    recommended = held(clause="step.cost", level=Level.RECOMMENDED)
    assert found(outcome(recommended, held(status=Status.VACUOUS, decisive=2))).endswith(
        f"says little about this subject. {more}"
    )


def test_code_of_students_has_the_words_of_the_gradebook_and_a_sentence() -> None:
    read = held(notes=(Note("read as: rows are samples"),))
    assert summary([outcome(read), outcome(refused="no"), outcome(violated())]) == (
        "3 subjects: 1 right, 1 not checked, 1 wrong."
    )
    assert Report(outcome(read)).sentence == "every step is plain gradient descent (1 clause held)"
    assert Report(outcome(violated())).sentence.startswith("A layer-by-layer update")


def test_code_that_only_ran_out_of_time_is_not_called_wrong() -> None:
    late = held(clause="step.trains", status=Status.ABORTED, reason="the subject used more than its 60 s")
    assert status_of(outcome(held(), late)) == "not finished"
    assert status_of(outcome(late, violated())) == "wrong"
