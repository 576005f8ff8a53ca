"""One engine behind three doors: the same verdicts and counts from each, on one process or several."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import torch

import gdprops
from gdprops.plugin.verdict_property import PROPERTY
from gdprops.report.json_file import jsonable

pytestmark = pytest.mark.daily

EXAMPLES, SEED = 5, 7
PATTERNS = ("step.plain", "sequential.first-block", "optimizer.resume")

SUBJECT = '''
import gdprops
import torch


class Halving(torch.optim.SGD):
    """Moves every tensor after the first by half of what it should."""

    @torch.no_grad()
    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for k, p in enumerate(group["params"]):
                if p.grad is not None:
                    p.add_(p.grad, alpha=-group["lr"] / (1 if k == 0 else 2))
        return loss


faulty = gdprops.optimizer(Halving, rule="sgd", name="halving", lr=0.5)
'''

SUITE = f"""
import gdprops
from subjects import faulty

@gdprops.parametrize([faulty], clauses={PATTERNS!r})
def test_specification(subject, clause):
    clause.check(subject)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "subjects.py").write_text(SUBJECT, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def as_a_test_sees(verdicts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return verdicts without what is not the same in a test, and without its seconds.

    It sees one clause, hence no other violation; and a subject without a name on the command line has no command.
    """
    dropped = ("seconds", "also", "same_fault", "counterexample", "notes")
    return [{key: v for key, v in one.items() if key not in dropped} for one in verdicts]


def run_in(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "COV"))}
    command = [sys.executable, "-m", *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def from_command(folder: Path, name: str, *flags: str) -> list[dict[str, Any]]:
    patterns = [part for pattern in PATTERNS for part in ("--clauses", pattern)]
    chosen = ["--examples", str(EXAMPLES), "--seed", str(SEED), "--json", "r.json", *patterns, *flags]
    done = run_in(folder, "gdprops", "check", f"subjects.py:{name}", *chosen)
    assert done.returncode in (0, 1), done.stderr
    data = json.loads((folder / "r.json").read_text(encoding="utf-8"))
    assert data["exit_code"] == done.returncode
    return list(data["verdicts"])


def from_function(name: str) -> list[dict[str, Any]]:
    report = gdprops.check(f"subjects.py:{name}", PATTERNS, examples=EXAMPLES, seed=SEED)
    return list(report.to_dict()["verdicts"])


def from_pytest(folder: Path) -> list[dict[str, Any]]:
    """Return what a suite finds, as its JUnit file has it; in a process of its own, as pytest's plugins are."""
    (folder / "test_it.py").write_text(SUITE, encoding="utf-8")
    options = ["-p", "no:cacheprovider", "--gdprops-examples", str(EXAMPLES), "--gdprops-seed", str(SEED)]
    run_in(folder, "pytest", *options, "--junitxml", "j.xml")
    properties = ElementTree.parse(folder / "j.xml").getroot().iter("property")
    texts = [one.attrib["value"] for one in properties if one.attrib["name"] == PROPERTY]
    return as_a_test_sees([jsonable(json.loads(text)) for text in texts])


def test_the_doors_agree(folder: Path) -> None:
    one = from_command(folder, "faulty")
    assert {verdict["status"] for verdict in one} == {"held", "violated"}
    assert from_command(folder, "faulty", "-n", "2") == one
    assert from_function("faulty") == one
    about_subject = [verdict for verdict in one if verdict["about"] == "subject"]
    assert from_pytest(folder) == as_a_test_sees(about_subject)


@pytest.mark.nightly
def test_one_worker_finds_the_same_as_none(folder: Path) -> None:
    assert from_command(folder, "faulty", "-n", "1") == from_command(folder, "faulty")


def process_state() -> dict[str, object]:
    """Return what a run must leave as it was, short enough to be read in a failure."""
    return {
        "random": hash(random.getstate()),
        "numpy.random": hash(repr(np.random.get_state())),
        "torch random": hash(tuple(torch.get_rng_state().tolist())),
        "default dtype": torch.get_default_dtype(),
        "threads": torch.get_num_threads(),
        "warning filters": hash(repr(warnings.filters)),
    }


def test_a_run_leaves_the_process_as_it_was(folder: Path) -> None:
    gdprops.check("subjects.py:faulty", "step.plain", examples=1)  # what imports change is not ours
    torch.manual_seed(3)
    before = process_state()
    gdprops.check("subjects.py:faulty", PATTERNS, examples=EXAMPLES)
    assert process_state() == before


def test_building_a_subject_leaves_the_process_as_it_was() -> None:
    torch.manual_seed(3)
    before = process_state()
    gdprops.check("torch.optim:SGD", "step.plain", examples=1)
    assert process_state() == before


def test_the_report_of_the_function(folder: Path) -> None:
    report = gdprops.check("subjects.py:faulty", "step.plain", examples=EXAMPLES, seed=SEED)
    assert (report.ok, report.exit_code) == (False, 1)
    assert report["step.plain"].blame
    assert [verdict.clause for verdict in report.violations] == ["step.plain"]
    assert "VIOLATED step.plain" in str(report)


def test_a_counterexample_is_runnable_python_and_replays(folder: Path) -> None:
    report = gdprops.check("subjects.py:faulty", "step.plain", examples=EXAMPLES, seed=SEED)
    example = report["step.plain"].counterexample
    assert example is not None
    compile(example.python, "counterexample", "exec")
    assert example.path is not None
    done = run_in(folder, "gdprops", "replay", example.path, "subjects.py:faulty")
    assert done.returncode == 1, done.stderr
    assert "VIOLATED step.plain" in done.stdout
    assert "found       after 1 example" in done.stdout


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"examples": 0}, r"examples=0; expected a whole number of at least 1"),
        ({"profile": "x"}, r"profile='x'; expected one of dev, ci, nightly"),
        ({"clauses": "step.plane"}, r"clauses='step\.plane' matches no clause; did you mean 'step\.plain'"),
    ],
)
def test_the_function_refuses_what_means_nothing(keywords: dict[str, Any], message: str) -> None:
    with pytest.raises(gdprops.UsageError, match=message):
        gdprops.check("torch.optim:SGD", **keywords)


@pytest.mark.parametrize(
    ("bare", "advice"),
    [(torch.optim.SGD, "gdprops.optimizer(SGD, lr=0.1)"), (run_in, "gdprops.training_step(run_in)")],
)
def test_a_bare_class_or_function_is_no_subject(bare: Any, advice: str) -> None:
    for door in (gdprops.check, lambda subject: gdprops.parametrize([subject])):
        with pytest.raises(gdprops.UsageError) as raised:
            door(bare)
        assert str(raised.value) == (
            f"subject={bare.__name__}; expected a subject string, or what gdprops.optimizer, training_step, backprop "
            f"or update_rule made, such as {advice}"
        )
