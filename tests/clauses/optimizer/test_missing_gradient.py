"""Gradients that come late: whatever counts the steps, a tensor moves once it has some."""

from __future__ import annotations

from typing import Any

import torch

from gdprops.faults.optimizers.closure_and_missing_gradient_faults import KnowsOnlyItsFirstGradients
from gdprops.faults.optimizers.correct_optimizers import Group, PlainDescent
from gdprops.model.verdict import Status, Verdict
from gdprops.runner.session import check_subject
from gdprops.runner.settings import Settings
from gdprops.subjects.torch_optimizer.subject import optimizer


class MovesEverySecondStep(PlainDescent):
    """Counts the steps of all tensors together, and rests at every other one."""

    def __init__(self, params: Any, lr: float = 0.5) -> None:
        super().__init__(params, lr, steps=0)

    def move_all(self) -> None:
        for group in self.param_groups:
            group["steps"] += 1
        super().move_all()

    def move(self, p: torch.Tensor, g: torch.Tensor, group: Group) -> None:
        if self.param_groups[0]["steps"] % 2 == 0:
            super().move(p, g, group)


def missing(kind: type[torch.optim.Optimizer]) -> Verdict:
    settings = Settings(seed=0, examples=60)
    (verdict,) = check_subject(
        optimizer(kind, lr=0.5), clauses="optimizer.missing-gradient", settings=settings
    ).verdicts
    return verdict


def test_a_tensor_that_has_no_gradient_at_first_must_not_be_forgotten() -> None:
    verdict = missing(KnowsOnlyItsFirstGradients)
    assert verdict.status is Status.VIOLATED
    assert verdict.reason == "its gradients begin at the second step, and it never moves"
    assert len(verdict.blame) == 1


def test_a_rule_that_counts_all_steps_together_is_not_accused() -> None:
    assert missing(MovesEverySecondStep).status is Status.HELD
