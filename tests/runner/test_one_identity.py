"""One subject, whichever way it is named: the same seeds, verdicts, database, accepted violations and replays."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import gdprops
from gdprops.cli import main
from gdprops.errors import UsageError
from gdprops.kinds.resolve import resolve
from gdprops.model.subject import Subject
from gdprops.model.verdict import Status
from gdprops.runner.example_databases import database_at
from gdprops.runner.project import accepted
from gdprops.runner.seeding import item_seed

SUBJECTS = '''
import gdprops
import torch


class Halving(torch.optim.SGD):
    """Moves tensors of six entries or more by half of what it should."""

    @torch.no_grad()
    def step(self, closure=None):
        loss = None if closure is None else torch.enable_grad()(closure)()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.add_(p.grad, alpha=-group["lr"] / (1 if p.numel() < 6 else 2))
        return loss


halving = gdprops.optimizer(Halving, lr=0.5, rule="sgd", name="a name for reports")


def build(model, loss_fn):
    def step(x, y):
        loss_fn(model(x), y).backward()  # the gradients of the step before are still there
        with torch.no_grad():
            for p in model.parameters():
                if p.grad is not None:
                    p -= 0.125 * p.grad
    return step


training = gdprops.training_step(build, lr=0.125)


def made(flag):
    def build_it(model, loss_fn):
        return build(model, loss_fn)
    return build_it


def __getattr__(name):
    if name == "fresh":
        return made(True)
    raise AttributeError(name)
'''
SUITE = """
import gdprops
import odd_subjects

WAYS = ["odd_subjects.py:halving", odd_subjects.halving, gdprops.optimizer("odd_subjects:Halving", lr=0.5, rule="sgd")]

@gdprops.parametrize(WAYS, clauses="step.plain")
def test_specification(subject, clause):
    clause.check(subject)
"""
PATTERNS = ("step.plain", "step.simultaneous")
GIVEN = {"lr": 0.5}
TYPED = ["-p", "lr=5e-1", "--rule", "sgd", "--clauses", "step.plain"]
NAMED_AS_TYPED = "odd_subjects.py:Halving(lr=0.5)"


@pytest.fixture(autouse=True)
def subjects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return the module of a new project, which is the working folder, in a process that has opened no database."""
    (tmp_path / "odd_subjects.py").write_text(SUBJECTS, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    database_at.cache_clear()
    yield importlib.import_module("odd_subjects")
    del sys.modules["odd_subjects"]


def ways_of(subjects: Any) -> list[list[Subject]]:
    """Return subjects of several kinds, each in several ways."""
    whole = str(Path("odd_subjects.py").resolve())
    return [
        [
            resolve("torch.optim:SGD", hyperparameters={"lr": 0.5, "momentum": 0.5}),
            gdprops.optimizer(torch.optim.SGD, momentum=5e-1, lr=5e-1, name="a name for reports"),
        ],
        [
            resolve("odd_subjects.py:Halving", hyperparameters=GIVEN, rule="sgd"),
            resolve(f"{whole}:Halving", hyperparameters=GIVEN, rule="sgd"),
            resolve("odd_subjects:halving"),
            subjects.halving,
        ],
        [
            resolve(f"{whole}:build", kind="training-step", hyperparameters={"lr": 0.125}),
            gdprops.training_step(subjects.build, lr=0.125),
        ],
    ]


def shown(subject: Any, clauses: Sequence[str] = PATTERNS) -> list[dict[str, Any]]:
    """Return what a run with a seed finds, without names, what was typed, and the seconds."""
    return without_names(gdprops.check(subject, clauses, examples=5, seed=7).to_dict()["verdicts"])


def without_names(verdicts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for verdict in verdicts:
        verdict.pop("seconds", None)
        if verdict["counterexample"] is not None:
            verdict["counterexample"] = {**verdict["counterexample"]["case"], "subject": "", "declared": {}}
    return verdicts


@pytest.mark.nightly  # the test below asks the same of the doors
def test_the_same_seed_gives_the_same_verdicts(subjects: Any) -> None:
    statuses = set[str]()
    for ways in ways_of(subjects):
        first, *others = ways
        assert len({item_seed(7, way.identity.key, "step.plain") for way in ways}) == 1
        found = shown(first)
        statuses |= {verdict["status"] for verdict in found}
        for other in others:
            assert shown(other) == found
    assert {"held", "violated"} <= statuses


def test_the_same_seed_gives_the_same_verdicts_from_the_command_line_and_pytest(subjects: Any) -> None:
    expected = shown(subjects.halving, ["step.plain"])
    for typed in (["odd_subjects.py:Halving", "-p", "lr=0.5", "--rule", "sgd"], ["odd_subjects:halving"]):
        chosen = ["--clauses", "step.plain", "--examples", "5", "--seed", "7", "--in-process", "--json", "found.json"]
        assert main(["check", *typed, *chosen]) == 1
        assert without_names(json.loads(Path("found.json").read_text(encoding="utf-8"))["verdicts"]) == expected
    Path("test_it.py").write_text(SUITE, encoding="utf-8")
    options = ["--gdprops-examples=5", "--gdprops-seed=7", "--gdprops-json=found.json", "-p", "no:cacheprovider"]
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "COV"))}
    words = [sys.executable, "-m", "pytest", "test_it.py", *options]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert "3 failed" in done.stdout, done.stdout
    (about, *_) = [verdict for verdict in expected if verdict["about"] == "subject"]
    runs = json.loads(Path("found.json").read_text(encoding="utf-8"))
    for run in runs["runs"]:
        (verdict,) = without_names(run["verdicts"])
        assert {**verdict, "also": [], "notes": []} == {**about, "also": [], "notes": []}


def test_what_was_found_under_one_name_is_tried_first_under_another(subjects: Any) -> None:
    first, *others = ways_of(subjects)[1]
    found = gdprops.check(first, "step.plain", examples=100)["step.plain"]
    assert (found.status, found.examples > 1) == (Status.VIOLATED, True)
    for other in others:
        database_at.cache_clear()
        again = gdprops.check(other, "step.plain", examples=1)["step.plain"]
        assert (again.status, again.examples) == (Status.VIOLATED, 1)


def test_a_subject_that_no_later_run_recognizes_uses_no_database(subjects: Any) -> None:
    def factory(params: Any, lr: float) -> torch.optim.Optimizer:
        optimizer: torch.optim.Optimizer = subjects.Halving(params, lr=lr)
        return optimizer

    nameless = gdprops.optimizer(factory, lr=0.5, rule="sgd")
    assert gdprops.check(nameless, "step.plain", examples=100)["step.plain"].status is Status.VIOLATED
    assert not list(Path(".gdprops/examples").rglob("*"))
    named = gdprops.optimizer(factory, lr=0.5, rule="sgd", name="mine")
    gdprops.check(named, "step.plain", examples=100)
    assert list(Path(".gdprops/examples").rglob("*"))


def accept(subject: str, *flags: str) -> int:
    return main(["accept", subject, *flags, "--seed", "1", "--examples", "30", "--reason", "see #12"])


def statuses(ways: Sequence[Subject]) -> list[Status]:
    return [gdprops.check(way, "step.plain", examples=30, seed=1)["step.plain"].status for way in ways]


@pytest.mark.nightly
def test_what_is_accepted_under_one_name_is_accepted_under_every_other(subjects: Any) -> None:
    ways = ways_of(subjects)[1]
    assert accept("odd_subjects.py:Halving", *TYPED) == 0
    (entry,) = accepted.near(Path())
    key = "optimizer {factory: odd_subjects:Halving, hyperparameters: {'lr': 0.5}, rule: 'sgd'}"
    assert (entry.subject, entry.identity) == (NAMED_AS_TYPED, key)
    assert statuses(ways) == [Status.ACCEPTED] * len(ways)
    distinct = [
        gdprops.optimizer(subjects.Halving, lr=0.25, rule="sgd"),
        gdprops.optimizer(subjects.Halving, lr=0.5, rule="sgd", traits={"storage": "in-place"}),
        gdprops.optimizer(lambda params, lr: subjects.Halving(params, lr=lr), lr=0.5, rule="sgd"),
    ]
    assert statuses(distinct) == [Status.VIOLATED] * len(distinct)


def test_a_file_of_an_earlier_version_is_about_the_names_in_it(
    subjects: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    accept("odd_subjects.py:Halving", *TYPED)
    (entry,) = accepted.near(Path())
    accepted.save(Path(accepted.FILE), [replace(entry, identity="")])
    data = json.loads(Path(accepted.FILE).read_text(encoding="utf-8"))
    for one in data["accepted"]:
        del one["identity"]
    Path(accepted.FILE).write_text(json.dumps(data), encoding="utf-8")
    by_file, _, _, by_class = ways_of(subjects)[1]
    assert statuses([by_file, by_class]) == [Status.ACCEPTED, Status.VIOLATED]
    assert accept("odd_subjects.py:Halving", *TYPED) == 0
    assert accepted.near(Path()) == (entry,), "accepted again, it is about the subject whatever its name"


def test_an_identity_that_is_no_text_is_one_line() -> None:
    entry = {"subject": "a:B", "clause": "step.plain", "revision": 1, "reason": "see #12", "identity": 3}
    Path(accepted.FILE).write_text(json.dumps({"gdprops": 1, "accepted": [entry]}), encoding="utf-8")
    with pytest.raises(UsageError, match=r"gdprops-accepted\.json: step\.plain: identity=3; expected a text$"):
        accepted.near(Path())


def test_accept_asks_for_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    chosen = ["--as", "training-step", "-p", "lr=0.125", "--clauses", "step.simultaneous"]
    assert accept("odd_subjects.py:fresh", *chosen) == 2
    assert capsys.readouterr().err == (
        "gdprops: error: odd_subjects.py:fresh(lr=0.125) has a part that cannot be imported by a name, so that a later "
        "run does not recognize it: bind the subject to a name in its module, or give it one with name='…'\n"
    )
    assert not Path(accepted.FILE).exists()
    assert accept("odd_subjects.py:fresh", *chosen, "-p", "name=mine") == 0
    assert [entry.clause for entry in accepted.near(Path())] == ["step.simultaneous"]


def test_a_counterexample_replays_under_every_name(subjects: Any, capsys: pytest.CaptureFixture[str]) -> None:
    found = gdprops.check(subjects.halving, "step.plain", examples=30, seed=1)["step.plain"].counterexample
    assert found is not None
    assert found.path is not None
    replay = ["replay", found.path]
    assert main([*replay, "odd_subjects.py:Halving", "-p", "lr=0.5", "--rule", "sgd"]) == 1
    assert main([*replay, "odd_subjects:halving"]) == 1
    capsys.readouterr()
    assert main([*replay, "odd_subjects.py:Halving", "-p", "lr=0.25", "--rule", "sgd"]) == 2
    assert capsys.readouterr().err.endswith(
        f"{found.path} is about a name for reports, not about odd_subjects.py:Halving(lr=0.25)\n"
    )
