"""Ranks as processes: what becomes of those that raise, wait, end or go on for ever, and that none is left."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gdprops
from gdprops.clauses import catalogue
from gdprops.errors import SubjectStopped
from gdprops.model.case import RanksCase
from gdprops.model.evidence import Evidence
from gdprops.subjects.distributed_step.observed import Story, observed, together
from gdprops.subjects.distributed_step.ranks.messages import Piece, Ran
from gdprops.subjects.distributed_step.ranks.pool import Outcome
from gdprops.subjects.distributed_step.ranks.pools import POOLS, Pools
from gdprops.subjects.distributed_step.ranks.stack_places import clash_in
from gdprops.subjects.distributed_step.subject import located
from gdprops.subjects.distributed_step.trial import trial_case
from gdprops.subjects.user_code.calling import Calls
from gdprops.subjects.user_code.isolation import isolated
from tests.subjects.distributed_step import steps

pytestmark = [pytest.mark.usefixtures("ranks"), pytest.mark.xdist_group("ranks")]


def case_of(build: Any, *, steps: int = 3) -> tuple[Any, RanksCase]:
    subject = located(gdprops.distributed_step(build, world=2))
    case = trial_case(subject, 2)
    return subject.declaration, replace(case, train=replace(case.train, batches=case.train.batches[:steps]))


def test_every_rank_shows_its_weights_after_every_step() -> None:
    story = seen(*case_of(steps.averaged))
    assert [step.number for step in story.steps] == [1, 2, 3]
    assert all(set(step.seen) == {0, 1} for step in story.steps)
    assert all(step.whole(name) is not None for step in story.steps for name in step.names)


def test_ranks_are_told_in_their_order_whichever_answers_first() -> None:
    late = Outcome({1: Ran(1), 0: Ran(0)}, died={2: (0, ""), 1: (0, "")})
    assert list(late.in_order().ran) == [0, 1]
    assert list(late.in_order().died) == [1, 2]


def test_ranks_without_the_first_one_are_put_together_all_the_same() -> None:
    """Where rank 0 has died, what the others tell is still read."""
    held = {name: Piece((1,), (0,), np.zeros(1)) for name in "ab"}
    ran = {1: Ran(1, {"a": held["a"]}, {"a": True}), 2: Ran(2, {"b": held["b"]}, {"b": False})}
    found = together(ran)
    assert (list(found.start), found.trainable, found.optimizer) == (["b", "a"], {"b": False, "a": True}, None)


def test_steps_without_rounding_are_known_to_be_exact_and_are_equal_to_one_process() -> None:
    story = seen(*case_of(steps.averaged))
    first = story.steps[0]
    assert first.is_exact
    for name, expected in zip(first.names, first.expected, strict=True):
        whole = first.whole(name)
        assert whole is not None
        assert (whole == expected).all()


def seen(declared: Any, case: RanksCase) -> Story:
    with isolated():
        return observed(declared, case)


def told_by(clause: str, story: Story) -> Evidence:
    examine: Any = catalogue()[clause].implementations["distributed-step"].examine
    found: Evidence = examine.told(located(gdprops.distributed_step(steps.averaged, world=2)), story)
    return found


def test_an_exception_names_the_rank_and_the_line() -> None:
    crash = seen(*case_of(steps.raises)).crash
    assert str(crash).startswith(
        "step(inputs, targets) on rank 1 of 2 ranks raised ValueError: no more rows, at tests/subjects/"
    )


def test_an_exception_of_all_ranks_is_told_once() -> None:
    crash = seen(*case_of(steps.takes_no_model)).crash
    assert str(crash).startswith(
        "takes_no_model(model, loss_fn, rank, world) on all 2 ranks raised TypeError: not such a model, at tests/"
    )


def test_a_deadlock_is_told_with_the_place_of_every_rank() -> None:
    story = seen(*case_of(steps.waits, steps=1))
    said = told_by("distributed.collectives", story)
    assert said.violated
    assert said.reason.startswith("rank 1 waits for ever in all_reduce, at tests/subjects/distributed_step/steps.py:")
    assert said.reason.endswith("; rank 0 has left step()")
    other = told_by("distributed.equals-single", story)
    assert not other.decisive
    assert other.reason == "the ranks have lost each other: distributed.collectives is about that"


def test_the_next_subject_finds_other_ranks_after_a_deadlock() -> None:
    declared, case = case_of(steps.waits)
    assert seen(declared, case).waiting
    assert seen(*case_of(steps.averaged)).steps


def test_the_numbers_of_another_collective_are_told(tmp_path: Path) -> None:
    printed = tmp_path / "printed"
    printed.write_text("op.preamble.length <= op.nbytes. 16 vs 8. Received data size doesn't match expected size. Is")
    told = clash_in(printed)
    assert told == "is sent 16 bytes where it expects 8"
    _, case = case_of(steps.averaged)
    said = told_by("distributed.collectives", Story(case, {}, clashed={1: f"{told}, in all_reduce, at train.py:3"}))
    assert said.violated
    assert said.reason == "rank 1 is sent 16 bytes where it expects 8, in all_reduce, at train.py:3"


def test_a_rank_that_ends_its_process_is_told() -> None:
    with pytest.raises(SubjectStopped, match="rank 1 ended its process with exit code 7"):
        seen(*case_of(steps.ends))


def test_a_rank_that_goes_on_for_ever_is_ended_with_the_place_of_every_rank() -> None:
    declared, case = case_of(steps.loops)
    impatient = replace(declared, training=replace(declared.training, calls=Calls(0.5)))
    with pytest.raises(SubjectStopped) as error:
        seen(impatient, case)
    assert "used more than its 0.5 s" in str(error.value)
    assert "rank 0 is in all_reduce, at tests/subjects/distributed_step/steps.py:" in str(error.value)
    assert "rank 1 is at tests/subjects/distributed_step/steps.py:" in str(error.value)


def test_no_rank_is_left_when_a_pool_has_ended() -> None:
    pool = POOLS.of(2)
    seen(*case_of(steps.averaged))
    held = list(pool.processes)
    assert len(held) == 2
    pool.end()
    assert not any(map(is_running, held))


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_process_that_ends_without_a_word_leaves_no_rank() -> None:
    said = subprocess.run(
        [
            sys.executable,
            "-c",
            "from gdprops.subjects.distributed_step.ranks.pools import POOLS; import os; n = POOLS.started(); "
            "print(n.fork(0, 1), n.folder, flush=True); os._exit(1)",
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    ).stdout.split()
    for _ in range(100):
        if not is_running(int(said[0])) and not Path(said[1]).exists():
            break
        time.sleep(0.1)
    assert not is_running(int(said[0]))
    assert not Path(said[1]).exists()


def test_a_rank_that_imports_a_file_checks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GDPROPS_RANK", "1")
    with pytest.raises(gdprops.UsageError, match="a rank imports your file and must not check it again"):
        Pools().started()


def test_a_machine_without_gloo_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.distributed.is_gloo_available", lambda: False)
    with pytest.raises(gdprops.UsageError, match="a distributed step needs gloo, which this torch was built without"):
        Pools().started()


def test_pools_stay_while_anybody_holds_them() -> None:
    with POOLS.held():
        first = POOLS.of(2)
    assert POOLS.of(2) is first
