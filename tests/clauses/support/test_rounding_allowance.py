"""Two ways to compute one rule, where rounding is large: what cancels, and where a rule has a step in it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from gdprops.clauses.support.rounding_allowance import rounded_alike
from gdprops.faults.optimizers.correct_optimizers import Group, PlainDescent
from gdprops.model.case import Plan, UpdateCase
from gdprops.numerics import decisions
from gdprops.subjects.torch_optimizer.subject import optimizer
from tests.clauses.optimizer.optimizer_cases import CASE, examined, probed, taken


class TrustRatioInTwoWays(PlainDescent):
    """Scales every tensor's rate by |w| / |g|, and by 1 where the weights are nothing: as LAMB does."""

    def __init__(self, params: Any, lr: float = 0.5, foreach: bool = False) -> None:
        super().__init__(params, lr, foreach=foreach)

    def move(self, p: Tensor, g: Tensor, group: Group) -> None:
        length, slope = p.norm(), g.norm()
        if not length > 0 or not slope > 0:
            p.sub_(group["lr"] * g)
        elif group["foreach"]:
            p.sub_(group["lr"] * (g * length / slope))
        else:
            p.sub_(group["lr"] * (length * (g / slope)))


class TakesBack(PlainDescent):
    """Takes back most of what it has gone, from its second step on: the parts of a step are larger than the step."""

    def move(self, p: Tensor, g: Tensor, group: Group) -> None:
        memory = self.memory(p)
        memory["step"] = memory.get("step", 0) + 1
        p.sub_(group["lr"] * g)
        if memory["step"] > 1:
            p.add_(group["lr"] * (g * 0.999))


def fed(weight: float, *gradients: float, rate: float = 1.0) -> UpdateCase:
    steps = tuple((np.array([g]),) for g in gradients)
    return UpdateCase((np.array([weight]),), steps, Plan(((0,),), (rate,)), 53, (0, 1))


def test_a_weight_that_one_way_brings_to_nothing_and_the_other_nearly_may_go_on_as_it_likes() -> None:
    """|w| / |g| = 1 at w = 0, and next to nothing beside it: the second step is 1.9 long or none."""
    case = fed(1.1, 1.9, 1.9)
    loop, foreach = (1.1 - 1.1 * (1.9 / 1.9), 1.1 - 1.9 * 1.1 / 1.9)
    assert loop == 0.0 != foreach
    evidence = examined(probed(optimizer(TrustRatioInTwoWays, lr=0.5)), "implementations", case)
    assert not evidence.violated


class ForgetsTheNorm(TrustRatioInTwoWays):
    """Its foreach forgets the norm of the weights."""

    def move(self, p: Tensor, g: Tensor, group: Group) -> None:
        if group["foreach"]:
            p.sub_(group["lr"] * (g / g.norm()))
        else:
            super().move(p, g, group)


def test_beside_that_the_two_ways_are_compared() -> None:
    assert examined(probed(optimizer(ForgetsTheNorm, lr=0.5)), "implementations", fed(1.1, 1.9, 1.9, rate=0.5)).violated


def test_the_parts_of_a_step_round_too() -> None:
    """5 · 1.3 back and forth from a weight of a millionth: its ulps are those of the parts."""
    case = replace(fed(0.650001, 1.3, 1.3, rate=0.5), factor=10.0)
    evidence = examined(probed(optimizer(TakesBack, lr=0.5)), "step.linear-in-lr", case)
    assert not evidence.violated


def test_rounding_accrues_on_the_way_back_too() -> None:
    case = UpdateCase((np.zeros(1),), ((np.ones(1),), (np.ones(1),)), Plan(((0,),)), 53)
    there_and_back = [[np.array([w])] for w in (0.0, -0.5, 1e-17)]
    seen = [[np.array([w])] for w in (0.0, -0.5, 0.0)]
    assert not rounded_alike(case, seen, there_and_back, lambda _: there_and_back, "").violated
    assert rounded_alike(case, [*seen[:2], [np.array([1e-12])]], there_and_back, lambda _: there_and_back, "").violated


def test_what_a_few_ulps_account_for_needs_no_further_run() -> None:
    case = UpdateCase((np.ones(1),), ((np.ones(1),),), Plan(((0,),)), 53)
    expected, runs = [[np.ones(1)], [np.array([0.5])]], list[UpdateCase]()

    def rerun(given: UpdateCase) -> list[list[Any]]:
        runs.append(given)
        return expected

    near, far = ([expected[0], [np.array([0.5 + off])]] for off in (2.0**-53, 1e-6))
    evidence = rounded_alike(case, near, expected, rerun, "")
    assert not evidence.violated
    assert 0 < (evidence.ratio or 0.0) < 1
    assert not runs
    assert rounded_alike(case, far, expected, rerun, "").violated
    assert len(runs) > decisions.PERTURBATIONS


def normalized_in_bfloat16(case: UpdateCase, off: float = 0.0) -> list[list[Any]]:
    """Decay by the rate, and a step of bfloat16 numbers: a gradient next to zero, of the others their signs."""
    (w,), (rate,) = case.tensors, case.plan.rates or ()
    seen = [[w]]
    for g in (np.asarray(g) for (g,) in case.gradients):
        fraction, exponent = np.frexp(g)
        low = np.ldexp(np.round(fraction * 2**8), exponent - 8)
        u = np.where(np.abs(g) < 2**-20, low, np.sign(g) * (0.9375 + off))
        w = (1 - rate) * w - rate * u
        seen.append([w])
    return seen


TIE = 2.0**-24 * (1 + 2.0**-8)
"""Halfway between two numbers of bfloat16: an ulp decides which it becomes."""


@pytest.mark.parametrize("other", [0.0, TIE])
@pytest.mark.parametrize(("off", "violated"), [(2.0**-8, False), (2.0**-5, True)])
def test_what_bfloat16_rounds_is_the_step_and_not_what_a_decay_leaves_of_it(
    off: float, other: float, *, violated: bool
) -> None:
    case = UpdateCase((np.ones(2),), ((np.array([-1.0, other]),),), Plan(((0,),), (0.5,)), 53)
    seen, expected = normalized_in_bfloat16(case, off), normalized_in_bfloat16(case)
    share = decisions.BFLOAT16_SHARE
    assert rounded_alike(case, seen, expected, normalized_in_bfloat16, "", rough=share).violated is violated


class Batching(PlainDescent):
    """Divides by the norm of each tensor, in bfloat16, and one at a time by a norm that rounds otherwise."""

    share = 2.0**-8

    def move_all(self) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    length = (1 + torch.linalg.vector_norm(p.grad.bfloat16())).to(p.dtype) * self.slower(p)
                    p.sub_(
                        group["lr"] * (p.grad.bfloat16().to(p.dtype) / length) * (1 + self.share * self.alone(group))
                    )

    def alone(self, group: Any) -> bool:
        return len(group["params"]) not in range(2, 5)

    def slower(self, p: torch.Tensor) -> int:
        return 1


class BatchingBadly(Batching):
    share = 2.0**-4


class BatchingInTime(Batching):
    """The same with a clock for every tensor."""

    def slower(self, p: torch.Tensor) -> int:
        memory = self.memory(p)
        memory["step"] = memory.get("step", 0) + 1
        return int(memory["step"])


class BatchingBadlyInTime(BatchingInTime):
    share = 2.0**-4


@pytest.mark.parametrize("clause", ["optimizer.group-split", "optimizer.locality", "step.apply-order"])
@pytest.mark.parametrize(("factory", "violated"), [(Batching, False), (BatchingBadly, True)])
def test_a_rule_on_whole_tensors_may_round_otherwise_in_a_batch_and_no_more(
    factory: Any, clause: str, *, violated: bool
) -> None:
    found = probed(optimizer(factory, lr=0.5))
    assert found.subject.traits["separability"] == "tensor"
    case = replace(CASE, plan=replace(CASE.plan, rates=None), order=(0, 0, 0, 0))
    assert examined(found, clause, case).violated is violated


@pytest.mark.parametrize(("factory", "violated"), [(BatchingInTime, False), (BatchingBadlyInTime, True)])
def test_a_tensor_that_has_missed_a_step_may_be_rounded_otherwise_alone_and_no_more(
    factory: Any, *, violated: bool
) -> None:
    found = probed(optimizer(factory, traits={"clock": "tensor"}, lr=0.5))
    missed, (first, *later) = max(CASE.plan.groups, key=len)[0], CASE.gradients
    gradients = (tuple(None if i == missed else g for i, g in enumerate(first)), *later)
    case = replace(CASE, gradients=gradients, plan=replace(CASE.plan, rates=None), order=(0, 0))
    evidence = examined(found, "missing-gradient", taken(case, found))
    assert evidence.decisive
    assert evidence.violated is violated


class ByASingleNorm(PlainDescent):
    """Divides by 1 and the norm over all tensors, whose float32 sum the foreach path begins at the other end."""

    share = 0.0

    def __init__(self, params: Any, lr: float = 0.5, foreach: bool = False) -> None:
        super().__init__(params, lr, foreach=foreach)

    def move_all(self) -> None:
        held = [p.grad for group in self.param_groups for p in group["params"] if p.grad is not None]
        foreach = self.param_groups[0]["foreach"]
        total = torch.zeros((), dtype=torch.float32)
        for g in held[::-1] if foreach else held:
            total += (g * g / 3).sum().float()
        self.length = (1 + self.share * foreach) * (1 + float(total) ** 0.5)
        super().move_all()

    def move(self, p: Tensor, g: Tensor, group: Group) -> None:
        p.sub_(group["lr"] * g / self.length)


class ByAnotherNorm(ByASingleNorm):
    share = 2.0**-8


@pytest.mark.parametrize(("factory", "violated"), [(ByASingleNorm, False), (ByAnotherNorm, True)])
def test_a_sum_over_all_parameters_may_be_kept_in_single_precision(factory: Any, *, violated: bool) -> None:
    found = probed(optimizer(factory, lr=0.5))
    assert found.subject.traits["separability"] in ("all", "group")
    evidence = examined(found, "implementations", CASE)
    assert evidence.decisive
    assert evidence.violated is violated
