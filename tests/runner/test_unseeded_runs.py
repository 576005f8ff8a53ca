"""Runs without a seed, the default: what one run finds in a folder, the next run tries first.

The subject moves a tensor of six entries or more by half of what it should. The first example of a run is its simplest
one, which does not show this: a run of one example finds it only in the database.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis.database import DirectoryBasedExampleDatabase, ExampleDatabase, InMemoryExampleDatabase

import gdprops
from gdprops.model.verdict import Verdict
from gdprops.runner.example_databases import database_at
from gdprops.runner.seeding import KeyedDatabase


class Halving(torch.optim.SGD):
    """Moves large tensors by half of what it should, unless it is repaired."""

    large = 6

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        loss = None if closure is None else torch.enable_grad()(closure)()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.add_(p.grad, alpha=-group["lr"] / (1 if p.numel() < self.large else 2))
        return loss


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a new project's folder, in a process that has opened no database yet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CI", raising=False)
    database_at.cache_clear()
    return tmp_path


def run(clause: str = "step.plain", *, examples: int = 100, seed: int | None = None) -> Verdict:
    """Check the subject as a new process does, which opens the database anew."""
    database_at.cache_clear()
    subject = gdprops.optimizer(Halving, rule="sgd", name="halving", lr=0.5)
    return gdprops.check(subject, clause, examples=examples, seed=seed)[clause]


def saved(folder: Path) -> int:
    """Return how many examples the folder's database holds."""
    found = folder / ".gdprops" / "examples"
    return sum(path.is_file() for path in found.rglob("*")) if found.exists() else 0


def test_the_second_run_tries_the_failing_case_first() -> None:
    first = run()
    assert first.status == "violated"
    assert first.examples > 1
    second = run(examples=1)
    assert (second.status, second.examples) == ("violated", 1)
    assert second.counterexample is not None
    assert first.counterexample is not None
    assert second.counterexample.case == first.counterexample.case


def test_the_report_says_that_the_failing_case_came_first() -> None:
    run()
    subject = gdprops.optimizer(Halving, rule="sgd", name="halving", lr=0.5)
    assert "found       after 1 example" in str(gdprops.check(subject, "step.plain", examples=100))


def test_a_run_in_another_folder_knows_nothing_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run()
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    assert run(examples=1).status != "violated"


def test_a_clause_that_passes_leaves_the_examples_of_another(folder: Path) -> None:
    run()
    before = saved(folder)
    assert before
    assert run("step.cost", examples=20).status != "violated"
    assert saved(folder) == before
    assert run(examples=1).status == "violated"


def test_another_subject_that_passes_leaves_them_too(folder: Path) -> None:
    run()
    before = saved(folder)
    assert gdprops.check("torch.optim:SGD", "step.plain", examples=20)["step.plain"].status == "held"
    assert saved(folder) == before
    assert run(examples=1).status == "violated"


def test_what_no_longer_fails_is_forgotten(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run()
    before = saved(folder)
    monkeypatch.setattr(Halving, "large", 1 << 30)
    assert run(examples=20).status == "held"
    assert saved(folder) < before


def test_a_run_with_a_seed_neither_reads_nor_writes_the_database(folder: Path) -> None:
    assert run(seed=3).status == "violated"
    assert not saved(folder)
    run()
    assert run(examples=1, seed=3).status != "violated"


def test_a_run_in_ci_repeats_its_examples(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "1")
    first, second = run(), run()
    assert first.examples == second.examples
    assert not saved(folder)


@pytest.mark.parametrize("inner", [InMemoryExampleDatabase, DirectoryBasedExampleDatabase])
def test_a_keyed_database_keeps_subjects_and_clauses_apart(inner: Any, folder: Path) -> None:
    held: ExampleDatabase = inner() if inner is InMemoryExampleDatabase else inner(folder)
    one, same, other_clause, other_subject = (
        KeyedDatabase(held, subject, clause)
        for subject, clause in (("a", "step.plain"), ("a", "step.plain"), ("a", "step.cost"), ("b", "step.plain"))
    )
    one.save(b"key", b"1")
    one.save(b"key", b"2")
    assert values(same.fetch(b"key")) == {b"1", b"2"}
    assert values(other_clause.fetch(b"key")) == values(other_subject.fetch(b"key")) == set()
    other_clause.delete(b"key", b"1")
    assert values(one.fetch(b"key")) == {b"1", b"2"}
    same.delete(b"key", b"1")
    assert values(one.fetch(b"key")) == {b"2"}


def values(found: Iterable[bytes]) -> set[bytes]:
    return set(found)
