"""Small and large tensors: a rule may take large matrices as wholes, and no rule may trip over an empty tensor."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from gdprops.faults.optimizers.correct_optimizers import Group, PlainDescent
from gdprops.faults.optimizers.memory_faults import AveragesOverNothing
from gdprops.model.case import Plan, UpdateCase
from gdprops.model.verdict import Status, Verdict
from gdprops.runner.session import check_subject
from gdprops.runner.settings import Settings
from gdprops.subjects.torch_optimizer.subject import optimizer
from tests.clauses.optimizer.optimizer_cases import examined, probed, ramp


class ScalesLargeTensors(PlainDescent):
    """Divides by the length of a tensor of more than 64 entries, as GaLore projects matrices above its rank."""

    def direction(self, p: Tensor, g: Tensor) -> Tensor:
        scaled: Tensor = g / (1 + torch.linalg.vector_norm(g)) if g.numel() > 64 else g
        return scaled


def shapes(kind: type[torch.optim.Optimizer], traits: dict[str, str]) -> Verdict:
    subject = optimizer(kind, traits=traits, lr=0.5)
    (verdict,) = check_subject(subject, clauses="optimizer.shapes", settings=Settings(seed=0, examples=40)).verdicts
    return verdict


def test_a_rule_that_takes_large_tensors_as_wholes_is_no_violation() -> None:
    verdict = shapes(ScalesLargeTensors, {})
    assert verdict.status is Status.VACUOUS
    assert "the rule couples the entries of a large tensor, but not those of a small one" in verdict.vacuous_reasons


@pytest.mark.parametrize("size", [1.0, 64.0])
def test_the_coupling_of_a_large_tensor_is_seen_among_large_gradients_in_single_precision(size: float) -> None:
    ones = (np.ones(2, np.float32),) * 3
    case = UpdateCase(ones, (tuple(size * w for w in ones),) * 2, Plan(((0, 1, 2),), (0.5,)), 24, (0, 1, 2), 2.0)
    evidence = examined(probed(optimizer(ScalesLargeTensors, lr=0.5)), "shapes", case)
    assert not evidence.violated
    assert evidence.reason == "the rule couples the entries of a large tensor, but not those of a small one"


def test_a_rule_that_is_declared_to_be_element_wise_must_be_so_in_large_tensors() -> None:
    verdict = shapes(ScalesLargeTensors, {"separability": "element"})
    assert verdict.status is Status.VIOLATED
    assert verdict.reason == "the same numbers repeated in a large tensor, against the small tensor"


@pytest.mark.parametrize("traits", [{}, {"separability": "all"}])
def test_a_mean_over_an_empty_tensor_must_not_poison_the_others(traits: dict[str, str]) -> None:
    verdict = shapes(AveragesOverNothing, traits)
    assert verdict.status is Status.VIOLATED
    assert verdict.reason == "beside an empty tensor the weights are not finite, without it they are"


class DividesByNorms(PlainDescent):
    """Divides every gradient by its norm; numbers and vectors too."""

    def direction(self, p: Tensor, g: Tensor) -> Tensor:
        scaled: Tensor = g / (1 + torch.linalg.vector_norm(g))
        return scaled


class ForgetsNumbers(DividesByNorms):
    """Knows matrices and vectors, and no numbers."""

    def direction(self, p: Tensor, g: Tensor) -> Tensor:
        return super().direction(p, g) if p.dim() else torch.zeros_like(g)


class KnowsMatricesOnly(DividesByNorms):
    def direction(self, p: Tensor, g: Tensor) -> Tensor:
        return super().direction(p, g) if p.dim() > 1 else torch.zeros_like(g)


@pytest.mark.parametrize(
    ("kind", "status"),
    [(DividesByNorms, Status.HELD), (KnowsMatricesOnly, Status.HELD), (ForgetsNumbers, Status.VIOLATED)],
)
def test_a_number_must_not_rest_where_a_vector_moves(kind: Any, status: Status) -> None:
    verdict = shapes(kind, {})
    told = "a single number of shape (), never moves; as a vector of one entry it does"
    assert (verdict.status, told in verdict.reason) == (status, status is Status.VIOLATED)


class LeavesChannelsLast(PlainDescent):
    """Does not move images whose channels lie last."""

    def move(self, p: torch.Tensor, g: torch.Tensor, group: Group) -> None:
        if p.is_contiguous() or not p.is_contiguous(memory_format=torch.channels_last):
            super().move(p, g, group)


@pytest.mark.parametrize(("kind", "violated"), [(PlainDescent, False), (LeavesChannelsLast, True)])
def test_images_lie_in_memory_with_their_channels_last_too(kind: Any, *, violated: bool) -> None:
    tensors, sizes = (ramp(2, 3, 2, 2), ramp(2)), (1.0, -0.5)
    fed = tuple(tuple(c * w for w in tensors) for c in sizes)
    case = UpdateCase(tensors, fed, Plan(((0, 1),), (0.5,)), 53, (1, 0))
    evidence = examined(probed(optimizer(kind, lr=0.5)), "layout", case)
    assert evidence.violated is violated
    assert not violated or evidence.reason == "channels last in memory"
