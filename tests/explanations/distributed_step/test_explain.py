"""What several ranks do instead: every sentence is told of the fault that it describes, and of no right step."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gdprops.explanations.distributed_step.explain import explained
from gdprops.faults.distributed_steps import mesh_faults, reduction_faults, reported_faults, right_ranks, update_faults
from gdprops.subjects.distributed_step.subject import distributed_step
from gdprops.subjects.distributed_step.trial import trial_case, tried
from gdprops.subjects.user_code.isolation import isolated
from tests.subjects.distributed_step import steps

pytestmark = [pytest.mark.usefixtures("ranks"), pytest.mark.xdist_group("ranks")]

CLIPPED, WINDOWED = {"clip_norm": update_faults.CLIP}, {"accumulate": update_faults.WINDOW}
TOLD: list[tuple[Any, dict[str, Any], str, str]] = [
    (
        reduction_faults.sum_for_the_mean,
        {},
        "equals-single",
        "the gradients of the 2 ranks are added, and not averaged",
    ),
    (reduction_faults.divide_twice, {}, "equals-single", "the mean gradient is divided by the 2 ranks once more"),
    (
        reduction_faults.reduce_nothing,
        {},
        "equals-single",
        "each rank moves every parameter by its own rows alone: no rank issues a collective",
    ),
    (
        reduction_faults.leave_one_parameter_out,
        {},
        "equals-single",
        "each rank moves layer1.weight by its own rows alone: the others are reduced",
    ),
    (
        reduction_faults.step_before_reducing,
        {},
        "equals-single",
        "each rank moves every parameter by its own rows alone: it issues 12 collectives, but not between its "
        "gradients and its update",
    ),
    (
        reduction_faults.average_within_a_node,
        {"world": 4},
        "equals-single",
        "ranks are averaged within {0, 1} and {2, 3} alone",
    ),
    (
        reduction_faults.train_on_the_first_rows,
        {},
        "equals-single",
        "all ranks move by the rows of rank 0 alone; which rank has which rows changes the weights",
    ),
    (
        reported_faults.average_the_weights,
        {},
        "equals-single",
        "each rank takes its own step, and then the weights are averaged",
    ),
    (
        reported_faults.drop_the_last_rows,
        {"parts": "ragged"},
        "equals-single",
        "ranks drop rows until all have 1, and are then averaged",
    ),
    (
        reported_faults.add_one_gradient,
        {},
        "equals-single",
        "the gradients of the 2 ranks are added, and not averaged: of layer2.bias only",
    ),
    (
        reported_faults.count_replicated_shards,
        {"world": 4, **CLIPPED},
        "clipping",
        "every shard counts 2 times in the norm",
    ),
    (
        update_faults.step_on_one_rank_only,
        {},
        "replicas",
        "rank 1 leaves layer1.weight, layer1.bias, layer2.weight and layer2.bias where they are",
    ),
    (
        reduction_faults.mean_of_means,
        {"parts": "ragged"},
        "ragged",
        "the mean of the ranks' means, whatever their rows",
    ),
    (update_faults.clip_before_reducing, CLIPPED, "clipping", "each rank clips its own gradient, before the mean"),
    (update_faults.clip_by_the_shard, CLIPPED, "clipping", "each rank clips by the norm of its own shards"),
    (update_faults.reduce_the_last_micro_batch, WINDOWED, "window", "only the last micro-batch is reduced"),
    (update_faults.forget_their_momentum, {}, "sharded-state", "the optimizer's state is that of its first step"),
    (
        mesh_faults.leave_partial_sums,
        {"layouts": "tensor"},
        "equals-single",
        "the outputs of the layer with layer2.weight are each rank's own partial sums",
    ),
    (
        mesh_faults.add_the_bias_on_every_rank,
        {"layouts": "tensor"},
        "equals-single",
        "every rank adds layer2.bias, which then counts 2 times",
    ),
    (
        mesh_faults.step_before_the_last_micro_batch,
        {"layouts": "pipeline"},
        "equals-single",
        "rank 0 steps before the last of 2 micro-batches",
    ),
    (
        mesh_faults.add_micro_batches,
        {"layouts": "pipeline"},
        "equals-single",
        "the gradient is 2 times as large, as if micro-batches were added",
    ),
]


def told_of(build: Any, declared: dict[str, Any]) -> Any:
    with isolated():
        subject = tried(distributed_step(build, **{"world": 2, **declared}))[0]
        case = trial_case(subject, subject.declaration.worlds[0])
        other = replace(case, train=replace(case.train, batches=case.train.batches[::-1]))
        return explained(subject, [case, other])


@pytest.mark.parametrize(("build", "declared", "clause", "said"), TOLD, ids=lambda part: getattr(part, "__name__", ""))
def test_a_wrong_step_is_explained(build: Any, declared: dict[str, Any], clause: str, said: str) -> None:
    found = told_of(build, declared)
    assert found.text == said
    assert found.clause == f"distributed.{clause}"


def test_a_step_that_is_right_on_fewer_ranks_is_told_so() -> None:
    with isolated():
        subject = tried(distributed_step(reduction_faults.average_within_a_node, world=(2, 4)))[0]
        found = explained(subject, [trial_case(subject, 4)])
    assert found is not None
    assert found.text == ("ranks are averaged within {0, 1} and {2, 3} alone; on 2 ranks the same step is right")


def test_what_no_hypothesis_reproduces_is_told_as_facts() -> None:
    found = told_of(update_faults.move_what_is_frozen, {})
    assert found is None  # of a network in which nothing is frozen
    found = told_of(reduction_faults.hold_another_order, {})
    assert found.text.startswith(
        "none of gdprops' hypotheses about several ranks reproduces the weights; wrong first: "
    )
    assert not found.clause


def test_a_right_step_has_nothing_to_explain() -> None:
    assert told_of(right_ranks.wrapped_in_ddp, {}) is None


def test_the_lines_that_reduce_are_shown() -> None:
    found = told_of(steps.sums, {})
    assert [note.text for note in found.places] == ["all_reduce is issued here"]
    assert found.places[0].file == "tests/subjects/distributed_step/steps.py"
