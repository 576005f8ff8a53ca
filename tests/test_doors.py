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

import numpy as np
import pytest
import torch

import gdprops
from gdprops.plugin.parallel import PROPERTY

EXAMPLES, SEED = 10, 7
PATTERNS = ("step.simultaneous", "step.plain", "sequential.first-block", "optimizer.r*")

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
correct = gdprops.optimizer(torch.optim.SGD, rule="sgd", name="correct", lr=0.5)
'''

SUITE = f"""
import gdprops
from subjects import correct, faulty

@gdprops.parametrize([correct, faulty], clauses={PATTERNS!r})
def test_specification(subject, clause):
    clause.check(subject)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "subjects.py").write_text(SUBJECT, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def steady(verdicts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return verdicts without what may differ between two runs or two doors: times, and links to other verdicts."""
    return [{key: v for key, v in one.items() if key not in ("seconds", "also")} for one in verdicts]


def from_command(folder: Path, name: str, *flags: str) -> list[dict[str, Any]]:
    patterns = [part for pattern in PATTERNS for part in ("--clauses", pattern)]
    chosen = ["--examples", str(EXAMPLES), "--seed", str(SEED), "--json", "r.json", *patterns, *flags]
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "COV"))}
    done = subprocess.run(
        [sys.executable, "-m", "gdprops", "check", f"subjects.py:{name}", *chosen],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    data = json.loads((folder / "r.json").read_text(encoding="utf-8"))
    assert data["exit_code"] == done.returncode
    return steady(data["verdicts"])


def from_function(name: str) -> list[dict[str, Any]]:
    report = gdprops.check(f"subjects.py:{name}", PATTERNS, examples=EXAMPLES, seed=SEED)
    return steady(report.to_dict()["verdicts"])


@pytest.mark.parametrize("name", ["correct", "faulty"])
def test_processes_and_the_function_agree(folder: Path, name: str) -> None:
    one = from_command(folder, name)
    assert {verdict["status"] for verdict in one} == {"held"} | ({"violated"} if name == "faulty" else set())
    assert from_command(folder, name, "-n", "1") == one
    assert from_command(folder, name, "-n", "2") == one
    assert from_function(name) == one


def test_pytest_agrees_too(folder: Path, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(subjects=SUBJECT, test_it=SUITE)
    result = pytester.runpytest_subprocess(
        "-p", "no:cacheprovider", "--gdprops-examples", str(EXAMPLES), "--gdprops-seed", str(SEED),
        "--junitxml", "j.xml",
    )  # fmt: skip
    text = (pytester.path / "j.xml").read_text(encoding="utf-8")
    assert text.count(PROPERTY) == sum(result.parseoutcomes().values())
    expected = [v for name in ("correct", "faulty") for v in from_function(name) if v["about"] == "subject"]
    red = sum(verdict["status"] == "violated" for verdict in expected)
    result.assert_outcomes(failed=red, passed=len(expected) - red)


def test_a_run_leaves_the_process_as_it_was(folder: Path) -> None:
    torch.manual_seed(3)
    before = (
        random.getstate(),
        np.random.get_state()[1].tolist(),  # type: ignore[index]
        torch.get_rng_state().tolist(),
        torch.get_default_dtype(),
        torch.get_num_threads(),
        list(warnings.filters),
        dict(os.environ),
    )
    gdprops.check("subjects.py:faulty", PATTERNS, examples=EXAMPLES)
    after = (
        random.getstate(),
        np.random.get_state()[1].tolist(),  # type: ignore[index]
        torch.get_rng_state().tolist(),
        torch.get_default_dtype(),
        torch.get_num_threads(),
        list(warnings.filters),
        dict(os.environ),
    )
    assert after == before


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
    done = subprocess.run(
        [sys.executable, "-m", "gdprops", "replay", example.path, "subjects.py:faulty"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
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
