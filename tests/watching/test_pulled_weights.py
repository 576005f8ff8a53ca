"""Weights that went a share of the way to those of another module."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gdprops.faults.watched_runs.materials import plain
from gdprops.model.ledger import Pulled
from gdprops.watching.pulled_weights import Move, PulledWeights, share_of_the_way

BEFORE, THERE = torch.tensor([1.0, -2.0, 0.5]), torch.tensor([3.0, 1.0, -4.0])


def way(share: float) -> Tensor:
    return share * THERE + (1 - share) * BEFORE


@pytest.mark.parametrize("share", [0.005, 0.5, 1.0])
def test_one_share_of_the_way(share: float) -> None:
    assert share_of_the_way([(BEFORE, way(share))], [THERE]) == pytest.approx(share)


@pytest.mark.parametrize(
    "after", [way(-0.1), way(1.5), BEFORE, BEFORE * 0.9, way(0.5) + torch.tensor([0.0, 0.01, 0.0])]
)
def test_other_moves_go_to_nobody(after: Tensor) -> None:
    assert share_of_the_way([(BEFORE, after)], [THERE]) is None
    assert share_of_the_way([(BEFORE, way(0.5)), (BEFORE, way(0.4))], [THERE, THERE]) is None
    assert share_of_the_way([(BEFORE, BEFORE)], [BEFORE]) is None


def test_modules_of_the_same_kind_that_run_are_compared_from_the_second_write_on() -> None:
    learner, target, idle = plain(), plain(), plain()
    with torch.no_grad():
        for weight in target.parameters():
            weight.add_(1.0)
    state = PulledWeights(4096)

    def pull(towards: nn.Module) -> list[Pulled]:
        old = {name: weight.detach().flatten().clone() for name, weight in learner.named_parameters()}
        with torch.no_grad():
            for weight, other in zip(learner.parameters(), towards.parameters(), strict=True):
                weight.lerp_(other, 0.5)
        moves: dict[str, Move] = {n: (old[n], w.detach().flatten()) for n, w in learner.named_parameters()}
        return state.look(1, "learner", learner, moves, {id(learner), id(target)})

    assert pull(target) == []
    assert [one.still for one in pull(target)] == [False]
    assert [(one.name, one.still) for one in pull(target)] == [("learner", True)]
    with torch.no_grad():
        next(target.parameters()).add_(1.0)
    assert [one.still for one in pull(target)] == [False]
    assert pull(idle) == []


def test_what_shares_weights_or_has_others_is_not_of_the_same_kind() -> None:
    learner: Any = plain()
    same, other = nn.Sequential(*learner), copy.deepcopy(learner)
    other[2] = nn.Linear(4, 3)
    state = PulledWeights(4096)
    zero: dict[str, Move] = {"0.weight": (torch.zeros(12), learner[0].weight.detach().flatten())}
    found = [state.look(1, "learner", learner, zero, {id(same), id(other)}) for _ in range(3)]
    assert found == [[], [], []]
