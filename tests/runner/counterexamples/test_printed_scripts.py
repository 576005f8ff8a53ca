"""The printed script and the replay line of every fault in the bank do what the report says."""

from __future__ import annotations

import shlex
import subprocess
import sys
import traceback
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import gdprops
from gdprops.clauses import catalogue
from gdprops.cli import main
from gdprops.model.item import Item
from gdprops.model.verdict import About, Counterexample, Status, Verdict
from gdprops.runner.items import cases_of, examiner
from gdprops.runner.kill_matrix import EXAMPLES, UNHURRIED
from gdprops.runner.search import search
from gdprops.runner.seeding import item_seed
from gdprops.runner.verdicts import judge
from gdprops.subjects.user_code.isolation import isolated
from tests.faults.suspects import CELLS, everyone, measured, of_one

SAMPLE = (
    ("sgd-forgets-the-last", "step.plain"),
    ("closure-called-twice", "optimizer.closure"),
    ("momentum-is-the-gradient", "optimizer.state-not-aliased"),
    ("rule-with-one-counter", "step.apply-order"),
    ("steps-twice", "step.once"),
    ("backprop-forgets-a-bias", "gradient.complete"),
)
ONLY_REPLAYED = ("declares-what-it-is-not",)
"""Traits are measured in many runs: no short script shows what a wrong declaration says."""
REPLAYED_CLAUSES = ("step.phases", "step.targets", "clock.average", "clock.resume", "clock.resume-states")
"""Their faults in the bank have models and objectives that are bound to no name: a script could not import them."""
REMEMBERING = ("rule-remembers-in-a-global",)
"""Its module has been called by now: its script and its replay line run in an interpreter of their own."""
FED = tuple(cell for cell in CELLS if everyone()[cell[0]].subject is not None)


def verdict_on(fault: str, clause: str, folder: Path) -> Verdict:
    with isolated():
        found = measured(fault).measured
        assert found is not None
        item = Item(catalogue()[clause], About.SUBJECT)
        seed = item_seed(0, found.subject.name, clause)
        cases = cases_of(item, found.subject, found.domain)
        finding = search(examiner(item, found.subject), cases, examples=EXAMPLES, seed=seed)
        settings = replace(UNHURRIED, seed=0, counterexamples=str(folder))
        return judge(item, found.subject, finding, settings)


def example_of(verdict: Verdict) -> Counterexample:
    assert verdict.status is Status.VIOLATED
    assert verdict.counterexample is not None
    return verdict.counterexample


def ends_of(script: str) -> BaseException:
    """Run a script; return the exception in which its last line ends."""
    code = compile(script, "<script>", "exec")
    try:
        with isolated():
            exec(code, {"__name__": "script"})
    except Exception as error:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == "<script>"]
        assert lines[0] == len(script.splitlines())
        return error
    pytest.fail("the script runs to its end")


def require_script(fault: str, clause: str, example: Counterexample) -> None:
    """Require that the script fails in its last line, as its heading says."""
    facts = {f"distributed.{name}" for name in ("collectives", "resume", "buffers", "random")}
    alone = clause in facts or clause in REPLAYED_CLAUSES
    if fault in ONLY_REPLAYED or alone:
        assert (example.python, example.doubt) == ("", "no script is printed: only the replay shows it")
        return
    heading = example.python.splitlines()[0]
    assert heading.startswith(f"# {fault}")
    if fault in REMEMBERING:
        return
    if clause.startswith("distributed."):
        require_ranks_script(example.python)
        return
    error = ends_of(example.python)
    ends = f"asserts what {clause} demands" if isinstance(error, AssertionError) else f"raises {type(error).__name__}"
    assert heading.endswith(f": the last line {ends}")


def require_ranks_script(script: str) -> None:
    """Require that a script which starts its ranks ends in its last line, in an interpreter of its own."""
    assert script.splitlines()[0].endswith("the last line asserts what the clause demands")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert f", line {len(script.splitlines())}, in <module>" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("AssertionError")


def require_replay(fault: str, clause: str, example: Counterexample, said: Any) -> None:
    """Require that the replay line finds the violation again."""
    line = example.replay
    assert line is not None
    if line.startswith("gdprops.replay("):
        subject = everyone()[fault].subject
        assert subject is not None
        (verdict,) = eval(line, {"gdprops": gdprops, "subject": subject()}).verdicts
        assert (verdict.clause, verdict.status) == (clause, Status.VIOLATED)
        return
    if fault in REMEMBERING:
        asked = [sys.executable, "-m", *shlex.split(line)]
        told = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
    else:
        main(shlex.split(line)[1:])
        told = said.readouterr().out
    assert f"VIOLATED {clause}" in told


OTHERS = [of_one(cell[0], *cell, nightly=True) for cell in FED if cell not in SAMPLE]


@pytest.mark.parametrize(("fault", "clause"), [*(of_one(cell[0], *cell) for cell in SAMPLE), *OTHERS])
def test_a_script_and_a_replay_line_do_what_the_report_says(
    fault: str, clause: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    example = example_of(verdict_on(fault, clause, tmp_path))
    require_script(fault, clause, example)
    require_replay(fault, clause, example, capsys)
