"""Clauses with the same cases share one search: each still gets the verdict that a search of its own would give."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import strategies as st

import gdprops
from gdprops.clauses import catalogue
from gdprops.model.evidence import Evidence, agreement, vacuous, violation
from gdprops.model.verdict import About, Status, Verdict
from gdprops.runner import item_verdict, shared_searches
from gdprops.runner.example_databases import database_at
from gdprops.runner.family_search import search_together
from gdprops.runner.further_examples import ENOUGH_FAILING, WITNESSES, following, witnesses
from gdprops.runner.items import items_for
from gdprops.runner.search import Finding, search
from gdprops.runner.session import check_subject, run_item
from gdprops.runner.settings import Settings
from gdprops.runner.shared_searches import family_name
from gdprops.runner.witnesses import FOLLOWING
from tests.samples import training_steps

FAMILY = ("step.simultaneous", "step.moves-all", "step.fresh-gradient", "step.once", "step.complete")
NUMBERS = st.integers(0, 1000)


def told(verdict: Verdict) -> tuple[Any, ...]:
    counterexample = verdict.counterexample and verdict.counterexample.case
    counts = (verdict.examples, verdict.decisive, verdict.worst_ratio)
    return verdict.clause, verdict.status, verdict.reason, *counts, verdict.location, counterexample


@pytest.fixture(autouse=True)
def _unexplained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave explanations out: they depend on the verdict, and take long."""
    monkeypatch.setattr(item_verdict, "_explained", lambda verdict, *rest: verdict)


def counted(builds: list[object]) -> Any:
    def build(model: Any, loss_fn: Any) -> Any:
        builds.append(model)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

        def step(x: torch.Tensor, y: torch.Tensor) -> None:
            optimizer.zero_grad()
            loss_fn(model(x), y).backward()
            optimizer.step()

        return step, optimizer

    return gdprops.training_step(build, name="counted")


def test_a_family_runs_the_subject_once_per_example() -> None:
    builds: list[object] = []
    subject, counts = counted(builds), list[int]()
    for clauses in (FAMILY, "step.once"):
        builds.clear()
        check_subject(subject, clauses=clauses, settings=Settings(seed=0, examples=12))
        counts.append(len(builds))
    assert counts[0] == counts[1] == 2 * 12  # the optimizer of the expected update is made by `build` too


@pytest.mark.parametrize(
    ("build", "declared"),
    [
        (training_steps.ordinary, {}),
        (training_steps.layer_by_layer, {"lr": 0.1}),
        (training_steps.steps_twice, {}),
        (training_steps.one_step_behind, {}),
        (training_steps.skips_biases, {"lr": 0.1}),
        (training_steps.holds_other_tensors, {}),
    ],
)
def test_a_clause_alone_gives_the_verdict_of_the_family(build: Any, declared: dict[str, Any]) -> None:
    """With `strict` nothing ends early."""
    subject = gdprops.training_step(build, name="mine", **declared)
    settings = Settings(seed=3, examples=15, strict=True)
    items = [i for i in items_for(subject, tuple(catalogue())) if i.clause.id in FAMILY]
    together = [run_item(subject, item, settings, beside=items) for item in items]
    alone = [run_item(subject, item, settings) for item in items]
    assert list(map(told, together)) == list(map(told, alone))


def test_what_is_not_violated_ends_undecided_soon_after_a_required_violation() -> None:
    subject = gdprops.training_step(training_steps.layer_by_layer, lr=0.1, name="mine")
    outcome = check_subject(subject, clauses=FAMILY, settings=Settings(seed=0, examples=60))
    found = {v.clause: v for v in outcome.of(About.SUBJECT)}
    assert found["step.simultaneous"].status is Status.VIOLATED
    once = found["step.once"]
    assert once.status is Status.VACUOUS
    assert once.reason == "not decided: the step already fails step.simultaneous"
    first = found["step.simultaneous"].examples
    assert once.examples == first + shared_searches.PATIENCE


def test_a_strict_run_searches_to_the_end() -> None:
    subject = gdprops.training_step(training_steps.layer_by_layer, lr=0.1, name="mine")
    outcome = check_subject(subject, clauses=FAMILY, settings=Settings(seed=0, examples=40, strict=True))
    assert {v.clause: v.examples for v in outcome.of(About.SUBJECT)}["step.once"] == 40


def test_the_family_has_the_name_of_its_first_clause_whatever_is_selected() -> None:
    subject = gdprops.training_step(training_steps.ordinary, name="mine")
    assert {family_name(subject, catalogue()[name]) for name in FAMILY} == {"step.simultaneous"}
    assert family_name(subject, catalogue()["step.mode"]) == "step.mode"


def test_a_hang_ends_every_clause_of_the_family_that_was_not_violated_before() -> None:
    calls: list[int] = []

    def build(model: Any, loss_fn: Any) -> Any:
        def step(x: torch.Tensor, y: torch.Tensor) -> None:
            calls.append(1)
            while len(calls) > 20:
                pass

        return step

    subject = gdprops.training_step(build, lr=0.1, name="hangs")
    calls.clear()
    settings = Settings(seed=0, examples=30, timeout=0.5)
    outcome = check_subject(subject, clauses=["step.once", "step.fresh-gradient"], settings=settings)
    assert {v.status for v in outcome.of(About.SUBJECT)} == {Status.ABORTED}
    assert {v.reason for v in outcome.of(About.SUBJECT)} == {
        "the subject used more than its 0.5 s for this clause (--timeout raises the limit)"
    }


def shared(*checks: Any, examples: int = 30, patience: int | None = None) -> list[Finding]:
    """Search with several checks of one number, as a family of as many required clauses."""
    findings = [Finding() for _ in checks]
    clauses = list(catalogue())[: len(checks)]

    def examine(case: int, which: Any) -> dict[int, Evidence | Exception]:
        return {k: answered(checks[k], case) for k in which}

    search_together(examine, NUMBERS, clauses, examples=examples, seed=7, patience=patience, findings=findings)
    return findings


def answered(check: Any, case: int) -> Evidence | Exception:
    try:
        found: Evidence = check(case)
    except ArithmeticError as error:
        return error
    return found


def at_most(most: int) -> Any:
    return lambda case: violation("too large") if case > most else agreement()


def test_each_clause_counts_its_own_examples() -> None:
    held, broken, unsure = shared(at_most(1000), at_most(500), lambda case: vacuous("never"))
    assert (held.examples, held.decisive, held.evidence) == (30, 30, None)
    assert (unsure.examples, unsure.decisive) == (30, 0)
    alone = search(at_most(500), NUMBERS, examples=30, seed=7, shrink=False)
    assert broken.examples == alone.examples < 30
    assert broken.case == alone.case > 500


def test_our_own_exception_is_the_finding_of_its_clause_alone() -> None:
    fine, broken = shared(at_most(1000), lambda case: agreement() if case < 500 else 1 // 0)
    assert (fine.bug, fine.examples) == (None, 30)
    assert broken.bug is not None
    assert "ZeroDivisionError" in broken.bug


def test_the_search_ends_when_every_clause_is_violated() -> None:
    one, other = shared(at_most(400), at_most(600))
    assert one.evidence is not None
    assert other.evidence is not None
    assert max(one.examples, other.examples) < 30


def test_what_follows_a_violation_is_the_same_for_a_clause_alone() -> None:
    (broken,) = shared(at_most(500))
    alone = following(at_most(500), NUMBERS, examples=30, seed=7, after=broken.examples)
    assert alone.failing == broken.further.failing != []
    assert alone.looked_at == broken.further.looked_at == FOLLOWING
    assert alone.looked_at > len(alone.failing)


def test_more_is_drawn_only_where_few_of_them_fail() -> None:
    few, many = (following(at_most(most), NUMBERS, examples=30, seed=7, after=1) for most in (950, 1))
    assert len(few.failing) < ENOUGH_FAILING <= len(many.failing)
    assert witnesses(at_most(950), NUMBERS, few).looked_at == FOLLOWING + WITNESSES
    assert witnesses(at_most(1), NUMBERS, many).looked_at == FOLLOWING


def test_without_a_seed_a_failing_example_is_saved_and_tried_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first example of a search is the simplest one, on which a second layer of one weight hides nothing."""
    monkeypatch.chdir(tmp_path)
    database_at.cache_clear()
    subject = gdprops.training_step(training_steps.mean_of_means, name="mine")
    settings = Settings(examples=40, database=str(tmp_path / "examples"))
    first = {v.clause: v for v in check_subject(subject, clauses=FAMILY, settings=settings).verdicts}
    assert first["step.simultaneous"].status is Status.VIOLATED
    assert first["step.simultaneous"].examples > 1
    database_at.cache_clear()
    again = check_subject(subject, clauses=FAMILY, settings=replace(settings, examples=1))
    second = {v.clause: v for v in again.verdicts}
    assert (second["step.simultaneous"].status, second["step.simultaneous"].examples) == (Status.VIOLATED, 1)
