"""Trainings that ranks save, and that as many ranks or others load."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import gdprops
from gdprops.clauses import catalogue
from gdprops.errors import SubjectCrash
from gdprops.faults.distributed_steps import right_ranks, saved_trainings
from gdprops.model.case import RanksCase
from gdprops.model.evidence import Evidence
from gdprops.runner.counterexamples.encoding import decode, encode
from gdprops.subjects.distributed_step.trial import trial_case, tried
from gdprops.subjects.user_code.isolation import isolated
from tests.clauses.distributed.stories import judged, measured
from tests.subjects.distributed_step import saving_steps

pytestmark = [pytest.mark.usefixtures("ranks"), pytest.mark.xdist_group("ranks")]


def saved(build: Any, loads_on: int) -> RanksCase:
    """Return a case of 8 rows and 3 steps, which 2 ranks save after the first one."""
    case = trial_case(measured(build), 2)
    return replace(case, parts=(2, 2), resumed=(4 // loads_on,) * loads_on, saved_after=1)


def resumed(build: Any, loads_on: int) -> Evidence:
    return judged("distributed.resume", build, saved(build, loads_on))


@pytest.mark.parametrize("loads_on", [1, 2, 4])
@pytest.mark.parametrize("name", ["saved_by_one_rank", "saved_in_shards"])
def test_a_right_training_goes_on_whatever_the_number_of_ranks(name: str, loads_on: int) -> None:
    found = resumed(getattr(saved_trainings, name), loads_on)
    assert not found.violated
    assert found.decisive


@pytest.mark.parametrize(
    ("build", "loads_on", "said"),
    [
        (saved_trainings.save_no_momentum, 2, "after loading on 2 ranks what 2 have saved"),
        (saved_trainings.load_momentum_on_one_rank, 4, "after loading on 4 ranks what 2 have saved"),
        (saved_trainings.load_momentum_on_as_many_only, 1, "after loading on 1 rank what 2 have saved"),
    ],
)
def test_a_lost_momentum_is_told_with_the_numbers_of_ranks(build: Any, loads_on: int, said: str) -> None:
    found = resumed(build, loads_on)
    assert found.violated
    assert found.reason == f"{said}, the optimizer's state is that of its first step"
    assert found.location is not None
    assert found.location.step == 2


def test_a_load_that_loads_nothing_begins_anew() -> None:
    found = resumed(saving_steps.loads_nothing, 2)
    assert found.violated
    assert found.reason == "after loading on 2 ranks what 2 have saved, the weights are those of the beginning"


def test_a_rate_that_begins_anew_is_wrong() -> None:
    found = resumed(saving_steps.forgets_its_rate, 2)
    assert found.violated
    assert found.reason == (
        "after loading on 2 ranks what 2 have saved, the hyperparameters are not those of the training that goes on"
    )


def test_the_momentum_of_as_many_ranks_may_be_right() -> None:
    found = resumed(saved_trainings.load_momentum_on_as_many_only, 2)
    assert not found.violated
    assert found.decisive


def test_a_load_that_refuses_another_world_is_told_and_not_examined() -> None:
    with isolated():
        subject, notes = tried(gdprops.distributed_step(saved_trainings.saved_by_each_rank, world=2))
    assert subject.domain.loads_on == (2, 1)
    (note,) = notes
    assert note.sentence.startswith(
        "bound to its world: what 2 ranks have saved is not loaded on 4 ranks: load(path) on ranks 2, 3 of 4 ranks "
        "raised FileNotFoundError"
    )
    found = resumed(saved_trainings.saved_by_each_rank, 4)
    assert not found.violated
    assert not found.decisive
    assert found.reason.startswith("what 2 ranks have saved is not loaded on 4 ranks")


def test_a_load_that_raises_on_as_many_ranks_is_wrong() -> None:
    with pytest.raises(
        SubjectCrash, match=r"load\(path\) on all 2 ranks raised KeyError: 'optimizer', at .*saving_steps"
    ):
        resumed(saving_steps.cannot_load, 2)


def test_a_load_in_which_ranks_wait_for_ever_is_told_with_its_line() -> None:
    found = resumed(saving_steps.waits_in_load, 2)
    assert found.violated
    assert found.reason.startswith("rank 0 waits for ever in ")
    assert "; rank 1 waits for ever in barrier, at tests/subjects/distributed_step/saving_steps.py:" in found.reason


def test_a_step_that_is_wrong_without_saving_is_no_matter_of_resuming() -> None:
    found = resumed(saving_steps.sums_and_saves, 2)
    assert not found.violated
    assert found.elsewise
    assert found.reason == "a step already fails distributed.equals-single before anything is saved"


def test_a_step_that_is_wrong_on_the_loading_ranks_only_is_no_matter_of_resuming() -> None:
    with isolated():
        subject, notes = tried(gdprops.distributed_step(saving_steps.averages_pairs_and_saves, world=2))
    assert subject.domain.loads_on == (2, 1)
    assert [note.sentence for note in notes] == [
        "a saved training is not loaded on 4 ranks: there the step is already another one than the expected update"
    ]
    found = resumed(saving_steps.averages_pairs_and_saves, 4)
    assert not found.violated
    assert found.elsewise
    assert found.reason == "the step already fails distributed.equals-single where nothing is saved and loaded"


def test_it_applies_where_build_returns_save_and_load() -> None:
    unmet = catalogue()["distributed.resume"].implementations["distributed-step"].unmet
    assert unmet(measured(right_ranks.wrapped_in_ddp)) == "build returns no save(path) and load(path)"
    assert unmet(measured(saved_trainings.saved_by_one_rank)) is None


def test_a_saved_training_is_replayed_from_its_file() -> None:
    case = saved(saved_trainings.saved_by_one_rank, 4)
    again = decode(encode(case))
    assert (again.resumed, again.saved_after) == ((1, 1, 1, 1), 1)
