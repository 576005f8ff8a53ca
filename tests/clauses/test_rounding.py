"""Two ways to compute one rule, where rounding is large: what cancels, and where a rule has a step in it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from torch import Tensor

from gdprops.adapters.isolation import isolated
from gdprops.adapters.torch_optimizer import optimizer
from gdprops.clauses import catalogue
from gdprops.faults.correct import Group, PlainDescent
from gdprops.model.case import Plan, UpdateCase
from gdprops.model.evidence import Evidence
from gdprops.runner.session import measured_subject
from gdprops.runner.settings import Settings


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


def judged(kind: type[PlainDescent], clause: str, case: UpdateCase) -> Evidence:
    with isolated():
        subject = measured_subject(optimizer(kind, lr=0.5), Settings()).subject
        evidence: Evidence = catalogue()[clause].examine(subject, case)
    return evidence


def fed(weight: float, *gradients: float, rate: float = 1.0) -> UpdateCase:
    steps = tuple((np.array([g]),) for g in gradients)
    return UpdateCase((np.array([weight]),), steps, Plan(((0,),), (rate,)), 53, (0, 1))


def test_a_weight_that_one_way_brings_to_nothing_and_the_other_nearly_may_go_on_as_it_likes() -> None:
    """|w| / |g| = 1 at w = 0, and next to nothing beside it: the second step is 1.9 long or none."""
    case = fed(1.1, 1.9, 1.9)
    loop, foreach = (1.1 - 1.1 * (1.9 / 1.9), 1.1 - 1.9 * 1.1 / 1.9)
    assert loop == 0.0 != foreach
    evidence = judged(TrustRatioInTwoWays, "optimizer.implementations", case)
    assert not evidence.violated


class ForgetsTheNorm(TrustRatioInTwoWays):
    """Its foreach forgets the norm of the weights."""

    def move(self, p: Tensor, g: Tensor, group: Group) -> None:
        if group["foreach"]:
            p.sub_(group["lr"] * (g / g.norm()))
        else:
            super().move(p, g, group)


def test_beside_that_the_two_ways_are_compared() -> None:
    assert judged(ForgetsTheNorm, "optimizer.implementations", fed(1.1, 1.9, 1.9, rate=0.5)).violated


def test_the_parts_of_a_step_round_too() -> None:
    """5 · 1.3 back and forth from a weight of a millionth: its ulps are those of the parts."""
    case = replace(fed(0.650001, 1.3, 1.3, rate=0.5), factor=10.0)
    evidence = judged(TakesBack, "step.linear-in-lr", case)
    assert not evidence.violated
