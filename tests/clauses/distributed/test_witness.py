"""Buffers when a forward pass begins, and the random numbers of the pass: what is said of ranks that mix them up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gdprops.clauses import catalogue
from gdprops.faults.distributed_steps import right_ranks, witness_faults
from gdprops.model.case import WITNESS
from gdprops.model.evidence import Evidence
from gdprops.subjects.distributed_step.trial import trial_case
from tests.clauses.distributed.stories import judged, measured

pytestmark = [pytest.mark.usefixtures("ranks"), pytest.mark.xdist_group("ranks")]


def witnessed(clause: str, build: Any, added: str = WITNESS) -> Evidence:
    return judged(clause, build, replace(trial_case(measured(build), 2), added=added))


def test_an_integer_buffer_that_is_left_behind_is_named_with_its_step() -> None:
    found = witnessed("distributed.buffers", witness_faults.synchronize_floats_only)
    assert found.violated
    assert found.reason == "when the forward pass of step 2 begins, rank 1 holds another witness.total than rank 0"


@pytest.mark.parametrize("build", [right_ranks.wrapped_in_ddp, witness_faults.with_all_buffers])
def test_buffers_are_compared_where_the_next_forward_pass_begins(build: Any) -> None:
    """After a step each rank has the statistics of its own rows: DistributedDataParallel sends them only then."""
    found = witnessed("distributed.buffers", build)
    assert not found.violated
    assert found.decisive


def test_buffers_that_nobody_shares_are_not_examined() -> None:
    unmet = catalogue()["distributed.buffers"].implementations["distributed-step"].unmet
    told = "each rank keeps its own buffers, and the drawn networks have none that matter"
    assert unmet(measured(right_ranks.averaged_by_hand)) == told
    assert unmet(measured(right_ranks.fully_sharded)) == told
    assert unmet(measured(right_ranks.wrapped_in_ddp)) is None


@pytest.mark.parametrize("build", [witness_faults.seed_all_alike, witness_faults.seed_every_step_alike])
def test_one_seed_on_all_ranks_gives_them_one_mask(build: Any) -> None:
    found = witnessed("distributed.random", build)
    assert found.violated
    assert found.reason == "ranks 0 and 1 draw the same mask of a dropout in step 1"


@pytest.mark.parametrize("build", [right_ranks.wrapped_in_ddp, witness_faults.seeded_by_rank])
def test_ranks_that_are_seeded_differently_drop_other_units(build: Any) -> None:
    found = witnessed("distributed.random", build)
    assert not found.violated
    assert found.decisive


def test_without_a_witness_nothing_is_seen() -> None:
    for clause in ("distributed.random", "distributed.buffers"):
        found = witnessed(clause, witness_faults.seed_all_alike, "")
        assert not found.violated
        assert not found.decisive
