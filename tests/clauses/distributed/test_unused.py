"""A parameter that only some ranks reach: what is said of those that move it wrongly, and of what cannot do it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gdprops.clauses import catalogue
from gdprops.explanations.distributed_step.explain import explained
from gdprops.faults.distributed_steps import right_ranks, unused_faults
from gdprops.model.case import RanksCase
from gdprops.model.evidence import Evidence
from gdprops.numerics.reached_rows import branched, reaching_ranks
from gdprops.subjects.distributed_step.trial import trial_case
from gdprops.subjects.user_code.isolation import isolated
from tests.clauses.distributed.stories import judged, measured
from tests.subjects.distributed_step import steps

pytestmark = [pytest.mark.usefixtures("ranks"), pytest.mark.xdist_group("ranks")]


def case_of(build: Any, *ranks: int) -> RanksCase:
    case = branched(trial_case(measured(build), 2), np.array([0.3, 0.7]), ranks)
    batches = tuple(
        replace(batch, inputs=batch.inputs * 1.01 + np.array([0.0, 0.03])) for batch in case.train.batches
    )  # off all kinks
    return replace(case, train=replace(case.train, batches=batches))


def reached(build: Any, *ranks: int) -> Evidence:
    return judged("distributed.unused", build, case_of(build, *ranks))


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (
            unused_faults.average_over_those_that_reach,
            "branch moves by the mean over the 1 rank that reaches it, and not over all 2",
        ),
        (unused_faults.move_only_where_reached, "branch moves only on the 1 rank that reaches it"),
    ],
)
def test_a_parameter_that_one_rank_reaches_moves_by_the_gradient_of_the_whole_batch(build: Any, said: str) -> None:
    found = reached(build, 0)
    assert found.violated
    assert found.reason == said
    assert {name.partition(" on rank ")[0] for name in found.blame} == {"branch"}
    with isolated():
        told = explained(measured(build), [case_of(build, 0)])
    assert told is not None
    assert (told.text, told.clause) == (said, "distributed.unused")


@pytest.mark.parametrize("build", [right_ranks.wrapped_with_options, unused_faults.averaged_with_zeros])
def test_a_right_mean_counts_the_ranks_that_do_not_reach_it(build: Any) -> None:
    found = reached(build, 1)
    assert not found.violated
    assert found.decisive


def test_zeros_are_as_right_as_no_gradient_where_no_rank_reaches_it() -> None:
    """With decay they are not the same, and an optimizer of one process may be given either."""
    found = reached(unused_faults.decayed_with_zeros)
    assert not found.violated
    assert found.reason == "a gradient of zeros moves what no rank reaches"


def test_a_sum_is_no_matter_of_unused_parameters() -> None:
    found = reached(steps.sums_with_zeros, 0)
    assert not found.violated
    assert found.elsewise
    assert found.reason == "the step already fails distributed.equals-single where all ranks reach every parameter"


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (
            right_ranks.wrapped_in_ddp,
            "step(inputs, targets) on rank 1 of 2 ranks raised RuntimeError: Expected to have finished reduction in "
            "the prior iteration before starting a new one",
        ),
        (right_ranks.averaged_by_hand, "rank 0 waits for ever in all_reduce"),
    ],
)
def test_what_no_step_supports_is_told_and_not_examined(build: Any, said: str) -> None:
    unmet = catalogue()["distributed.unused"].implementations["distributed-step"].unmet
    assert unmet(measured(build)) == f"where only some ranks reach a parameter, {said}"
    assert unmet(measured(right_ranks.wrapped_with_options)) is None


def test_the_ranks_that_reach_it_are_those_whose_rows_have_a_positive_first_input() -> None:
    case = case_of(unused_faults.averaged_with_zeros, 1)
    assert reaching_ranks(case, 0) == (1,)
    ragged = replace(case, parts=(3, 1))
    assert reaching_ranks(ragged, 0) == (0, 1)
