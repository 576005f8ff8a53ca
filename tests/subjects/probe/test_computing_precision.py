"""What computes in float32 beside float64 parameters is examined in float32, and told so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

import gdprops
from gdprops.faults.optimizers.correct_optimizers import PlainDescent as Descent
from gdprops.model.verdict import About, Status
from gdprops.subjects.probe.measure import measurement


class CastsGradients(Descent):
    def direction(self, p: Tensor, g: Tensor) -> Tensor:
        return g.float().to(p.dtype)


class KeepsAnAverage(Descent):
    """Momentum whose buffer is float32 whatever the parameter is."""

    def direction(self, p: Tensor, g: Tensor) -> Tensor:
        buffer: Tensor = self.state[p].setdefault("buffer", torch.zeros_like(p, dtype=torch.float32))
        buffer.mul_(0.5).add_(g.float())
        return buffer.to(p.dtype)


class LooksAhead(KeepsAnAverage):
    """Nesterov's form: the gradient enters directly too, in its own precision."""

    def direction(self, p: Tensor, g: Tensor) -> Tensor:
        return g + 0.5 * super().direction(p, g)


class ScalesByTheRootMeanSquare(Descent):
    """Adam's second moment in float32, without a first one."""

    def direction(self, p: Tensor, g: Tensor) -> Tensor:
        square: Tensor = self.state[p].setdefault("square", torch.zeros_like(p, dtype=torch.float32))
        square.mul_(0.75).addcmul_(g.float(), g.float(), value=0.25)
        return (g.float() / (square.sqrt() + 0.25)).to(p.dtype)


COARSE = [CastsGradients, KeepsAnAverage, LooksAhead, ScalesByTheRootMeanSquare]


class TakesTheSign(Descent):
    def direction(self, p: Tensor, g: Tensor) -> Tensor:
        return g.sign()


class StepsOnceIn(Descent):
    """The second gradient is the first that moves anything."""

    def direction(self, p: Tensor, g: Tensor) -> Tensor:
        first = "seen" not in self.state[p]
        self.state[p]["seen"] = True
        return torch.zeros_like(g) if first else g


FINE: list[Callable[..., Any]] = [
    Descent,
    TakesTheSign,
    StepsOnceIn,
    torch.optim.Adam,
    torch.optim.Rprop,
    torch.optim.NAdam,
    torch.optim.RMSprop,
]


def computes(factory: Callable[..., Any]) -> str:
    return measurement(gdprops.optimizer(factory, lr=0.125)).traits["computes"]


@pytest.mark.parametrize(
    "factory",
    [COARSE[0], *(pytest.param(factory, marks=pytest.mark.nightly) for factory in COARSE[1:])],  # measured above
)
def test_what_computes_in_float32_is_told_and_examined_there(factory: Callable[..., Any]) -> None:
    report = gdprops.check(gdprops.optimizer(factory, lr=0.125), examples=10, seed=0)
    told = "computes in float32 where parameters are float64: examined in float32 only"
    assert [note.text for note in report.outcome.notes] == [told]
    assert report.exit_code == 0, str(report)
    assert measurement(gdprops.optimizer(factory, lr=0.125)).domain.precisions == (24,)


@pytest.mark.parametrize("factory", FINE)
def test_what_computes_in_float64_is_examined_in_both(factory: Callable[..., Any]) -> None:
    assert computes(factory) == "float64"
    assert measurement(gdprops.optimizer(factory, lr=0.125)).domain.precisions == (53, 24)


def test_a_wrong_rule_that_computes_in_float32_is_still_wrong() -> None:
    class Climbs(CastsGradients):
        def direction(self, p: Tensor, g: Tensor) -> Tensor:
            return -super().direction(p, g)

    subject = gdprops.optimizer(Climbs, rule="sgd", lr=0.125)
    (verdict,) = gdprops.check(subject, clauses="step.plain", examples=10, seed=0).outcome.of(About.SUBJECT)
    assert verdict.status is Status.VIOLATED
