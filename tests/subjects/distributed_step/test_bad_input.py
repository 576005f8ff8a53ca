"""What bad input gets: one line that says what was expected."""

from __future__ import annotations

from typing import Any

import pytest

import gdprops
from gdprops.model.verdict import Status
from tests.subjects.distributed_step import steps

pytestmark = [pytest.mark.usefixtures("ranks"), pytest.mark.xdist_group("ranks")]


@pytest.mark.parametrize(
    ("build", "declared", "said"),
    [
        (7, {}, "distributed_step: 7 is not callable; expected build(model, loss_fn, rank, world)"),
        (steps.two, {}, "does not take (model, loss_fn, rank, world); every rank calls it so"),
        (steps.averaged, {"world": 1}, "world=1; expected a number of ranks from 2 to 16, or several of them"),
        (steps.averaged, {"world": (2, "4")}, "world=(2, '4'); expected a number of ranks"),
        (steps.averaged, {"world": ()}, "world=(); expected a number of ranks"),
        (steps.averaged, {"parts": "even"}, "parts='even'; expected 'equal' or 'ragged'"),
        (steps.averaged, {"lr": -1}, "lr=-1; expected a finite number of at least 0"),
        (steps.averaged, {"accumulate": 0}, "accumulate=0; expected a number of micro-batches"),
        (steps.averaged, {"rule": "sgd"}, "rule='sgd'; expected a function that makes an optimizer"),
    ],
)
def test_what_is_declared_wrongly_is_told_in_one_line(build: Any, declared: dict[str, Any], said: str) -> None:
    with pytest.raises(gdprops.UsageError) as error:
        gdprops.distributed_step(build, **declared)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def refused(build: Any) -> str:
    with pytest.raises(gdprops.UsageError) as error:
        gdprops.check(gdprops.distributed_step(build, world=2), examples=3, seed=0)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_what_no_import_finds_cannot_be_sent_to_ranks() -> None:
    assert refused(lambda model, loss_fn, rank, world: None).endswith(
        "is defined where no import finds it; ranks are processes of their own: put it into a file or module, at the "
        "top level"
    )


def test_a_build_that_makes_a_process_group_is_told_that_there_is_one() -> None:
    assert "gdprops has made it, with gloo; guard it with dist.is_initialized()" in refused(steps.meets_again)


def test_a_build_that_makes_the_process_group_anew_is_told_that_there_is_one() -> None:
    said = refused(steps.meets_anew)
    assert said.endswith("gdprops has made it, with gloo; guard it with dist.is_initialized()")
    assert "address already in use" in said


def test_what_one_rank_alone_returns_wrongly_is_told_with_the_rank() -> None:
    assert "steps:returns_nothing_on_the_last on rank 1 of 2 ranks: returns_nothing_on_the_last returned" in refused(
        steps.returns_nothing_on_the_last
    )


def test_a_step_without_an_optimizer_needs_a_rule() -> None:
    assert refused(steps.without_optimizer).endswith(
        "build returns no optimizer; say what update is expected with rule=…, or lr=… for plain descent"
    )


def test_an_optimizer_whose_class_has_no_name_needs_a_rule() -> None:
    assert "the class of the returned optimizer, Own, is found under no name; say what" in refused(
        steps.with_an_own_class
    )


def test_what_differs_on_one_process_already_is_not_decided() -> None:
    report = gdprops.check(gdprops.distributed_step(steps.clips_undeclared, world=2), examples=6, seed=0)
    verdict = report["distributed.equals-single"]
    assert verdict.status is Status.VACUOUS
    assert "step 1 is another update than the expected one; check it as a training step first" in verdict.reason
    assert any(note.text.startswith("on one process: step 1 is another update") for note in report.outcome.notes)


def test_three_ranks_are_compared_within_rounding() -> None:
    report = gdprops.check(gdprops.distributed_step(steps.averaged, world=3), examples=4, seed=0)
    assert report.ok
    assert any("no power of two" in note.text for note in report.outcome.notes)


def test_a_declared_rate_takes_the_place_of_an_optimizer() -> None:
    report = gdprops.check(gdprops.distributed_step(steps.without_optimizer, world=2, lr=0.1), examples=6, seed=0)
    assert report["distributed.equals-single"].status is Status.HELD
