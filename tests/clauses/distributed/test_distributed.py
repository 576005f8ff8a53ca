"""The chapter distributed: what it says of wrong steps, and what it needs to say anything."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gdprops.clauses import catalogue
from gdprops.clauses.support.ranks_story import Compared, each_rank_alone, first_wrong
from gdprops.faults.distributed_steps import reduction_faults, right_ranks, update_faults
from gdprops.model.network import Batch
from gdprops.subjects.distributed_step.ranks.messages import Ran
from gdprops.subjects.distributed_step.ranks.unequal import unmatched
from gdprops.subjects.distributed_step.trial import trial_case
from tests.clauses.distributed.stories import judged, measured, story_of
from tests.subjects.distributed_step import steps

pytestmark = [pytest.mark.usefixtures("ranks"), pytest.mark.xdist_group("ranks")]


def test_a_sum_is_off_by_the_number_of_ranks() -> None:
    found = judged("distributed.equals-single", reduction_faults.sum_for_the_mean)
    assert found.violated
    assert found.blame == ("layer1.weight", "layer1.bias", "layer2.weight", "layer2.bias")
    assert found.location is not None
    assert (found.location.step, found.location.allowed) == (1, 0.0)


def test_ranks_that_differ_are_told_rank_by_rank() -> None:
    found = judged("distributed.equals-single", reduction_faults.reduce_nothing)
    assert found.violated
    assert found.blame[:2] == ("layer1.weight on rank 0", "layer1.weight on rank 1")


def test_replicas_that_differ_name_both_ranks() -> None:
    found = judged("distributed.replicas", reduction_faults.reduce_nothing)
    assert found.violated
    assert found.reason == "rank 1 holds other numbers than rank 0"
    assert found.location is not None
    assert found.location.parameter == "layer1.weight on rank 1"


def test_replicas_do_not_apply_where_everything_is_sharded() -> None:
    sharded = measured(right_ranks.sharded_and_kept)
    unmet = catalogue()["distributed.replicas"].implementations["distributed-step"].unmet
    assert unmet(sharded) == "no parameter is held by several ranks"
    assert unmet(measured(right_ranks.wrapped_in_ddp)) is None


def test_shared_data_decides_nothing() -> None:
    """With the same rows on every rank a step that reduces nothing is right, and could not be seen to be wrong."""
    subject = measured(reduction_faults.reduce_nothing)
    case = trial_case(subject, 2)
    half = case.parts[0]
    batches = tuple(
        Batch(np.tile(b.inputs[:half], (2, 1)), np.tile(b.targets[:half], (2, 1))) for b in case.train.batches
    )
    alike = replace(case, train=replace(case.train, batches=batches))
    for clause in ("distributed.equals-single", "distributed.replicas"):
        found = judged(clause, reduction_faults.reduce_nothing, alike)
        assert not found.violated
        assert not found.decisive, clause
    assert judged("distributed.equals-single", reduction_faults.reduce_nothing).violated


def test_a_step_without_rounding_allows_nothing_and_one_with_rounding_a_little() -> None:
    story = story_of(measured(right_ranks.wrapped_in_ddp))
    assert set(Compared(story.steps[0]).allowed) == {0.0}
    adam = story_of(measured(right_ranks.with_moments))
    assert all(0 < room < 1e-12 for room in Compared(adam.steps[0]).allowed)


@pytest.mark.parametrize("name", ["wrapped_in_ddp", "fully_sharded"])
def test_exact_steps_are_equal_to_one_process_bit_by_bit(name: str) -> None:
    subject = measured(getattr(right_ranks, name))
    story = story_of(subject)
    assert story.steps[0].is_exact
    for step in story.steps:
        for parameter, expected in zip(step.names, step.expected, strict=True):
            whole = step.whole(parameter)
            assert whole is not None
            if step.is_exact:
                assert whole.tobytes() == expected.tobytes()


def test_each_rank_alone_would_end_elsewhere() -> None:
    (first, *_) = story_of(measured(right_ranks.averaged_by_hand)).steps
    assert all(not np.array_equal(end[0], first.expected[0]) for end in each_rank_alone(first))


@pytest.mark.parametrize(
    ("clause", "build", "declared", "said"),
    [
        (
            "distributed.clipping",
            update_faults.clip_before_reducing,
            {"clip_norm": update_faults.CLIP},
            "each rank clips its own gradient, before the mean",
        ),
        (
            "distributed.clipping",
            update_faults.clip_by_the_shard,
            {"clip_norm": update_faults.CLIP},
            "each rank clips by the norm of its own shards",
        ),
        (
            "distributed.clipping",
            update_faults.count_the_norm_once_per_rank,
            {"clip_norm": update_faults.CLIP},
            "every rank counts the norm again",
        ),
        (
            "distributed.window",
            update_faults.never_reduce_the_window,
            {"accumulate": update_faults.WINDOW},
            "no micro-batch is reduced",
        ),
        (
            "distributed.window",
            update_faults.reduce_the_last_micro_batch,
            {"accumulate": update_faults.WINDOW},
            "only the last micro-batch is reduced",
        ),
        (
            "distributed.sharded-state",
            update_faults.forget_their_momentum,
            {},
            "the optimizer's state is that of its first step",
        ),
        (
            "distributed.ragged",
            reduction_faults.mean_of_means,
            {"parts": "ragged"},
            "the mean of the ranks' means, whatever their rows",
        ),
    ],
)
def test_a_special_fault_is_named_by_its_clause(clause: str, build: Any, declared: Any, said: str) -> None:
    found = judged(clause, build, **declared)
    assert found.violated
    assert found.reason == said


def test_another_fault_is_not_told_by_a_special_clause() -> None:
    found = judged("distributed.window", reduction_faults.sum_for_the_mean, accumulate=1)
    assert not found.violated
    assert found.elsewise


def test_clauses_that_need_a_declaration_say_which() -> None:
    plain = measured(steps.averaged)
    reasons = {
        "distributed.window": "no accumulate= is declared",
        "distributed.clipping": "no clip_norm= is declared",
        "distributed.sharded-state": "the update depends on no earlier step",
        "distributed.ragged": "all ranks have equally many rows: no parts='ragged' is declared",
    }
    for clause, reason in reasons.items():
        assert catalogue()[clause].implementations["distributed-step"].unmet(plain) == reason


def test_a_step_that_is_right_on_two_ranks_may_be_wrong_on_four() -> None:
    subject = measured(reduction_faults.average_within_a_node, world=(2, 4))
    assert first_wrong(story_of(subject, trial_case(subject, 2))) is None
    assert first_wrong(story_of(subject, trial_case(subject, 4))) is not None


def test_an_example_without_collectives_decides_nothing_about_them() -> None:
    found = judged("distributed.collectives", steps.alone)
    assert not found.decisive
    assert found.reason == "no rank issues a collective"


def test_what_is_sent_and_never_received_is_told() -> None:
    found = judged("distributed.collectives", update_faults.send_what_nobody_takes)
    assert found.violated
    assert found.reason == "rank 0 sends to rank 1 3 times, which receives from it 0"


@pytest.mark.parametrize("received", [{0: 2}, {0: 1, -1: 1}])
def test_a_receipt_may_name_no_sender(received: dict[int, int]) -> None:
    assert unmatched([Ran(0, sent={1: 2}), Ran(1, received=received)]) == ""
    assert unmatched([Ran(0, sent={1: 3}), Ran(1, received=received)]).startswith("rank 0 sends to rank 1 3 times")
    assert unmatched([Ran(0), Ran(1, received={0: 1})]) == "rank 0 sends to rank 1 0 times, which receives from it 1"


def test_a_collective_that_nothing_answers_is_told_with_its_line() -> None:
    case = trial_case(measured(steps.averaged), 2)
    one_step = replace(case, train=replace(case.train, batches=case.train.batches[:1]))
    found = judged("distributed.collectives", steps.sends_more, one_step)
    assert found.violated
    assert found.reason.startswith(
        "in the group of ranks 0, 1: rank 0 issues 5 collectives, rank 1 4: nothing answers "
    )
    assert "broadcast of 1 numbers at tests/subjects/distributed_step/steps.py:" in found.reason
