"""A clause that raises is a bug of gdprops: its verdict is ``error``, and the run ends with 3, through every door.

The bugs are put into the real engine. `step.plain` takes the learning rates once in every example: the 50th time, this
raises. `step.apply-order` feeds the subject at the beginning of every example: the first time, this raises. `step.cost`
does neither and must hold beside them. Were a bug forgotten, the first clause would read as held (49 examples agreed)
and the second as vacuous.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

import gdprops
from gdprops.clauses import catalogue
from gdprops.clauses.support import workbench
from gdprops.cli import main
from gdprops.errors import SubjectCrash
from gdprops.model.evidence import Evidence, agreement, unanswered, violation
from gdprops.model.item import Item
from gdprops.model.json_form import to_dict
from gdprops.model.verdict import About, Status
from gdprops.runner.named_subjects import named
from gdprops.runner.search import search
from gdprops.runner.session import check_subject
from gdprops.runner.settings import Settings
from gdprops.runner.verdicts import judge
from tests.samples.training_steps import half_the_loss

ROOT = Path(__file__).parent.parent.parent
CLAUSES = ("step.plain", "step.apply-order", "step.cost")
SEED = 7

BUGS = '''
"""Python runs a module of this name, found on PYTHONPATH, at the start of every process."""

import gdprops.clauses.support.optimizer_runs as runs


def raising(function, at):
    calls = []

    def broken(*given, **named):
        calls.append(None)
        if len(calls) == at:
            raise LookupError(f"a bug in {function.__name__}")
        return function(*given, **named)

    return broken


runs.effective_rates = raising(runs.effective_rates, 50)
runs.feed = raising(runs.feed, 1)
'''

SUITE = f"""
import gdprops

@gdprops.parametrize(["torch.optim:SGD"], clauses={CLAUSES!r})
def test_specification(subject, clause):
    clause.check(subject)
"""

TABLE = """
[tool.gdprops.subjects]
mine = "torch.optim:SGD"
"""

Found = tuple[int, dict[str, Any]]
"""The exit code, and the report as JSON."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def broken(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the bugs into this process, as `BUGS` does into others."""
    runs = sys.modules["gdprops.clauses.support.optimizer_runs"]
    kept = {name: getattr(runs, name) for name in ("effective_rates", "feed")}
    try:
        exec(BUGS, {})
        for name in kept:
            monkeypatch.setattr(workbench, name, getattr(runs, name))
    finally:
        for name, function in kept.items():
            setattr(runs, name, function)


def in_another_process(folder: Path, *words: str) -> Found:
    (folder / "sitecustomize.py").write_text(BUGS, encoding="utf-8")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "COV"))}
    environment["PYTHONPATH"] = os.pathsep.join((str(folder), str(ROOT)))
    command = [sys.executable, "-m", *words]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    report = folder / "r.json"
    assert report.exists(), done.stdout + done.stderr
    return done.returncode, json.loads(report.read_text(encoding="utf-8"))


def by_clause(report: dict[str, Any], key: str) -> dict[str, Any]:
    return {verdict["clause"]: verdict[key] for verdict in report["verdicts"] if verdict["clause"] in CLAUSES}


def reasons(report: dict[str, Any]) -> dict[str, str]:
    """Return the last line of every reason."""
    told = [(verdict["clause"], verdict["reason"].splitlines()) for verdict in report["verdicts"]]
    return {clause: lines[-1] for clause, lines in told if lines}


def assert_bugs_are_told(found: Found) -> None:
    code, report = found
    assert by_clause(report, "status") == {"step.plain": "error", "step.apply-order": "error", "step.cost": "held"}
    assert (report["ok"], report["exit_code"], code) == (False, 3, 3)
    examined = by_clause(report, "examples")
    assert (examined["step.plain"], examined["step.apply-order"]) == (49, 0)
    assert reasons(report) == {
        "step.plain": "LookupError: a bug in effective_rates",
        "step.apply-order": "LookupError: a bug in feed",
    }


def from_the_session(folder: Path) -> Found:
    outcome = check_subject(named("torch.optim:SGD"), clauses=CLAUSES, settings=Settings(seed=SEED))
    return outcome.exit_code, to_dict(outcome)


def from_the_function(folder: Path) -> Found:
    report = gdprops.check("torch.optim:SGD", CLAUSES, examples=100, seed=SEED)
    assert not report.ok
    assert not report.violations
    return report.exit_code, report.to_dict()


def from_the_command(folder: Path) -> Found:
    patterns = [part for clause in CLAUSES for part in ("--clauses", clause)]
    code = main(["check", "torch.optim:SGD", "--examples", "100", "--seed", str(SEED), "--json", "r.json", *patterns])
    return code, json.loads((folder / "r.json").read_text(encoding="utf-8"))


@pytest.mark.usefixtures("broken")
@pytest.mark.parametrize("door", [from_the_session, from_the_function, from_the_command])
def test_a_bug_in_a_clause_is_an_error_in_this_process(folder: Path, door: Callable[[Path], Found]) -> None:
    assert_bugs_are_told(door(folder))


@pytest.mark.daily
def test_a_bug_in_a_clause_is_an_error_on_two_processes(folder: Path) -> None:
    patterns = [part for clause in CLAUSES for part in ("--clauses", clause)]
    chosen = ("--examples", "100", "--seed", str(SEED), "--json", "r.json", "-n", "2")
    assert_bugs_are_told(in_another_process(folder, "gdprops", "check", "torch.optim:SGD", *chosen, *patterns))


PYTEST = ("pytest", "-p", "no:cacheprovider", "--gdprops-json", "r.json", "--gdprops-examples", "100")


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_a_bug_in_a_clause_fails_a_parametrized_test(folder: Path, workers: tuple[str, ...]) -> None:
    (folder / "test_it.py").write_text(SUITE, encoding="utf-8")
    assert_bugs_are_told(in_another_process(folder, *PYTEST, "--gdprops-seed", str(SEED), *workers))


def test_a_bug_in_a_clause_fails_the_configured_subjects(folder: Path) -> None:
    (folder / "pyproject.toml").write_text(TABLE, encoding="utf-8")
    chosen = " or ".join(clause.partition(".")[2] for clause in CLAUSES)
    found = in_another_process(folder, *PYTEST, "--gdprops", "--gdprops-seed", str(SEED), "-k", chosen)
    assert_bugs_are_told(found)


def judged(examine: Callable[[int], Evidence], cases: st.SearchStrategy[int]) -> Any:
    """Return the verdict that follows from a search of an invented clause."""
    finding = search(examine, cases, examples=100, seed=0)
    return judge(Item(catalogue()["step.plain"], About.SUBJECT), None, finding, Settings())


def test_a_bug_while_shrinking_is_an_error() -> None:
    """A case from 60 on is a violation; shrinking towards 60 meets a number that our check cannot examine."""

    def examine(case: int) -> Evidence:
        if case == 60:
            raise LookupError("a bug in the check")
        return violation("too large") if case > 60 else agreement()

    verdict = judged(examine, st.integers(0, 99))
    assert verdict.status is Status.ERROR
    assert verdict.reason.endswith("LookupError: a bug in the check\n")


def test_a_bug_in_drawing_is_an_error() -> None:
    def cracked(number: int) -> int:
        if number > 60:
            raise LookupError("a bug in the strategy")
        return number

    verdict = judged(lambda case: agreement(), st.integers(0, 99).map(cracked))
    assert verdict.status is Status.ERROR
    assert "LookupError: a bug in the strategy" in verdict.reason


def test_a_bug_in_concluding_is_an_error() -> None:
    def acts_later(name: str) -> bool:
        raise LookupError("a bug in the longer run")

    verdict = judged(lambda case: unanswered(["momentum"], acts_later), st.integers(0, 9))
    assert verdict.status is Status.ERROR
    assert verdict.reason.endswith("LookupError: a bug in the longer run\n")


def test_what_the_subject_raises_is_no_bug_of_ours() -> None:
    def examine(case: int) -> Evidence:
        raise SubjectCrash("step()", ZeroDivisionError("division by zero"))

    finding = search(examine, st.integers(0, 9), examples=100, seed=0)
    assert finding.bug is None
    assert finding.evidence is not None
    assert finding.evidence.reason == "step() raised ZeroDivisionError: division by zero"


def test_a_bug_in_an_explanation_leaves_the_violation(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*given: Any) -> Any:
        raise LookupError("a bug in explaining")

    monkeypatch.setattr("gdprops.explanations.training_step.explain.explained", broken)
    subject = gdprops.training_step(half_the_loss, name="halves")
    (verdict,) = check_subject(subject, clauses="step.simultaneous", settings=Settings(seed=0, examples=10)).verdicts
    assert verdict.status is Status.VIOLATED
    told = verdict.explanation or ""
    assert told.startswith("not explained: a bug of gdprops (LookupError at test_bugs_of_ours.py:")
    assert told.endswith("); please report it")
