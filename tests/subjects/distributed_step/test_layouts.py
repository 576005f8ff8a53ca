"""Ranks that share layers have the same rows: how they are declared, dealt, read back and judged."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import gdprops
from gdprops.clauses.support.ranks_story import Compared, each_rank_alone, first_wrong
from gdprops.faults.distributed_steps import mesh_faults, meshed_ranks
from gdprops.model.case import WITNESS
from gdprops.model.verdict import Status
from gdprops.runner.counterexamples.encoding import decode, encode
from gdprops.subjects.distributed_step.subject import located
from gdprops.subjects.distributed_step.trial import told_traits, trial_case
from gdprops.subjects.user_code.isolation import isolated
from tests.clauses.distributed.stories import judged, measured, story_of
from tests.subjects.distributed_step import mesh_steps, steps

pytestmark = [pytest.mark.usefixtures("ranks"), pytest.mark.xdist_group("ranks")]
TENSOR: dict[str, Any] = {"layouts": "tensor"}
PIPELINE: dict[str, Any] = {"layouts": "pipeline"}


def named(build: Any) -> str:
    return str(getattr(build, "__name__", build))


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        (
            {"layouts": "columns"},
            "layouts='columns'; expected 'tensor' or 'pipeline' where all ranks have the same rows",
        ),
        ({"layouts": {"tensor": 0}}, "layouts={'tensor': 0}; expected 'tensor' or 'pipeline'"),
        ({"layouts": {}}, "layouts={}; expected 'tensor' or 'pipeline'"),
        ({"layouts": {"tensor": 3}}, "layouts={'tensor': 3} is no mesh of 2 ranks; say world=…, or other sizes"),
        ({"layouts": {"data": -1, "tensor": -1}}, "data and tensor cannot both take the ranks that are left"),
        (TENSOR | {"parts": "ragged"}, "all ranks have the same rows; parts='ragged' says that they differ"),
    ],
)
def test_a_mesh_that_is_none_is_told_in_one_line(declared: dict[str, Any], said: str) -> None:
    with pytest.raises(gdprops.UsageError) as error:
        gdprops.distributed_step(steps.averaged, world=2, **declared)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_layouts_of_data_alone_are_none() -> None:
    assert gdprops.distributed_step(steps.averaged, layouts={"data": -1}).declaration.layouts is None


def test_a_case_on_a_mesh_is_replayed_from_its_file() -> None:
    case = trial_case(gdprops.distributed_step(steps.averaged, world=4, layouts={"tensor": 2}), 4)
    again = decode(encode(case))
    assert (again.mesh, again.parts, again.world) == (case.mesh, (2, 2), 4)
    assert [again.rows_of(rank) for rank in range(4)] == [slice(0, 2)] * 2 + [slice(2, 4)] * 2
    assert again.alone().world == 1


@pytest.mark.parametrize(
    ("build", "declared"),
    [
        (meshed_ranks.tensor_parallel_by_hand, TENSOR),
        (meshed_ranks.tensor_parallel, TENSOR),
        (meshed_ranks.in_stages, PIPELINE),
        (meshed_ranks.passed_on_by_hand, PIPELINE),
        (mesh_steps.keeps_its_layers, PIPELINE),
    ],
    ids=named,
)
def test_ranks_that_share_layers_make_the_step_of_one_process(build: Any, declared: dict[str, Any]) -> None:
    subject = measured(build, **declared)
    story = story_of(subject)
    assert [step.number for step in story.steps] == [1, 2, 3]
    assert first_wrong(story) is None
    assert story.steps[0].is_exact
    for step in story.steps:
        assert Compared(step).evidence(each_rank_alone(step)).decisive


def test_pairs_that_share_layers_have_other_rows_than_other_pairs() -> None:
    stories = dict[Any, Any]()
    for build in (meshed_ranks.averaged_and_parallel, mesh_faults.average_different_shards):
        subject = gdprops.distributed_step(build, layouts=meshed_ranks.BOTH, world=4)
        stories[build] = story_of(located(subject), trial_case(subject, 4))
    right, wrong = stories.values()
    assert first_wrong(right) is None
    assert len(list(each_rank_alone(right.steps[0]))) == 2 + 4
    assert first_wrong(wrong) is not None


@pytest.mark.parametrize(
    ("build", "declared"),
    [
        (mesh_faults.leave_partial_sums, TENSOR),
        (mesh_faults.add_the_bias_on_every_rank, TENSOR),
        (mesh_faults.step_before_the_last_micro_batch, PIPELINE),
        (mesh_faults.add_micro_batches, PIPELINE),
    ],
    ids=named,
)
def test_ranks_that_share_layers_wrongly_are_told(build: Any, declared: dict[str, Any]) -> None:
    assert judged("distributed.equals-single", build, **declared).violated


def test_ranks_with_the_same_rows_drop_the_same_units() -> None:
    for build, is_wrong in ((mesh_faults.seed_by_rank, True), (meshed_ranks.tensor_parallel_by_hand, False)):
        case = replace(trial_case(measured(build, **TENSOR), 2), added=WITNESS)
        found = judged("distributed.random", build, case, **TENSOR)
        assert (found.violated, found.decisive) == (is_wrong, True)
    assert judged("distributed.random", mesh_faults.seed_by_rank, case, **TENSOR).reason == (
        "ranks 0 and 1 draw other masks of a dropout in step 1, though they have the same rows"
    )


def test_a_pipeline_says_which_layers_are_a_ranks_own() -> None:
    with pytest.raises(gdprops.UsageError, match="return their module as 'stage' in a dict with 'step' and"):
        gdprops.check(gdprops.distributed_step(mesh_steps.without_a_stage, world=2, **PIPELINE), examples=2, seed=0)
    with pytest.raises(gdprops.UsageError, match="build returned an int as its stage; expected a module, or a list of"):
        gdprops.check(gdprops.distributed_step(mesh_steps.numbers_its_stage, world=2, **PIPELINE), examples=2, seed=0)


def test_shards_that_say_nothing_of_their_place_are_not_put_together() -> None:
    found = judged("distributed.equals-single", mesh_steps.cuts_by_hand, **TENSOR)
    assert not found.violated
    assert not found.decisive
    assert found.reason == (
        "layer1.weight has the shape (1, 2) on rank 0, and not (2, 2): only shards of DTensors (distribute_tensor, "
        "parallelize_module, fully_shard) can be put together"
    )


def test_traits_say_where_the_layers_lie() -> None:
    with isolated():
        notes = told_traits(gdprops.distributed_step(meshed_ranks.in_stages, world=2, **PIPELINE))
    said = [note.text for note in notes]
    assert "on 2 ranks layer1.weight, layer1.bias is held on rank 0 of 2 ranks" in said
    assert not any(text.startswith("build sends") for text in said)


@pytest.mark.nightly
@pytest.mark.parametrize("twin", [twin.name for twin in meshed_ranks.TWINS])
def test_more_examples_of_what_is_right(twin: str) -> None:
    (found,) = (one for one in meshed_ranks.TWINS if one.name == twin)
    assert found.subject is not None
    report = gdprops.check(found.subject(), examples=300, seed=1)
    assert not [verdict for verdict in report.verdicts if verdict.status is Status.VIOLATED]
