"""A rule with two learning rates is linear in both together; a rate that nothing scales is no second rate."""

from __future__ import annotations

from typing import Any

import pytest
from torch import Tensor

from gdprops.faults.optimizers.correct_optimizers import PlainDescent
from gdprops.faults.optimizers.guarded_optimizer_twins import HasASecondRate
from gdprops.model.optional_hyperparameters import further_rates
from gdprops.model.verdict import Status
from gdprops.runner.session import check_subject
from gdprops.runner.settings import Settings
from gdprops.subjects.torch_optimizer.subject import optimizer

LINEAR, ZERO, DESCENDS = "step.linear-in-lr", "optimizer.rate-zero", "step.descends"


class KeepsItsFirstRate(PlainDescent):
    """Moves vectors at the rate that it was made with, beside a number that is only called a rate."""

    def __init__(self, params: Any, lr: float = 0.5, vector_lr: float = 0.25) -> None:
        super().__init__(params, lr, vector_lr=vector_lr)
        self.first = lr

    def move(self, p: Tensor, g: Tensor, group: dict[str, Any]) -> None:
        p.sub_((group["lr"] if p.ndim > 1 else self.first) * g)


def verdicts(kind: type[PlainDescent], **options: Any) -> dict[str, Any]:
    subject = optimizer(kind, name="mine", lr=0.5, **options)
    outcome = check_subject(subject, clauses=(LINEAR, ZERO, DESCENDS), settings=Settings(seed=0, examples=8))
    return {v.clause: v for v in outcome.verdicts}


@pytest.mark.parametrize("vector_lr", [0.25, 8.0])
def test_a_second_rate_scales_with_the_first_and_is_told(vector_lr: float) -> None:
    found = verdicts(HasASecondRate, vector_lr=vector_lr)
    assert [found[clause].status for clause in (LINEAR, ZERO)] == [Status.HELD, Status.HELD]
    assert found[DESCENDS].status in (Status.HELD, Status.VACUOUS)
    told = "vector_lr: a second learning rate, which what changes lr alone, such as a schedule, leaves as it is"
    assert told in [note.text for note in found[LINEAR].notes]


def test_a_rate_that_no_group_changes_is_still_a_violation() -> None:
    assert verdicts(KeepsItsFirstRate)[LINEAR].status is Status.VIOLATED


def test_how_a_second_rate_is_called() -> None:
    named = {"adam_lr": 0.1, "lr1d": 0.1, "bias_learning_rate": 0.1, "muonlr": 1, "eta": 0.1, "lr": 0.1, "beta": 0.1}
    assert further_rates({**named, "lr_of_biases": 0, "use_lr": True}) == [
        "adam_lr",
        "lr1d",
        "bias_learning_rate",
        "muonlr",
    ]
