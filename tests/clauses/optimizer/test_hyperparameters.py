"""Which hyperparameters have to act, and where."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from gdprops.clauses.support.hyperparameter_values import alternatives
from gdprops.clauses.support.tensor_variants import each_gradient
from gdprops.faults.optimizers.correct_optimizers import Group, Momentum, PlainDescent
from gdprops.model.verdict import Status
from gdprops.runner.session import check_subject, measured_subject
from gdprops.runner.settings import Settings
from gdprops.subjects.torch_optimizer.subject import optimizer
from gdprops.subjects.user_code.isolation import isolated
from tests.clauses.optimizer.optimizer_cases import CASE, examined, probed, suspected


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        ("weight-decay-ignored-without-momentum", "weight_decay"),
        ("rate-read-at-construction", "lr (in param_groups)"),
        ("decay-rate-is-a-constant", "beta"),
        ("amsgrad-does-nothing", "amsgrad"),
        ("amsgrad-keeps-a-maximum-of-zero", "amsgrad"),
    ],
)
def test_a_hyperparameter_that_changes_nothing_is_silent_in_each_case(fault: str, name: str) -> None:
    assert examined(suspected(fault), "hyperparameters-act", CASE).silent == frozenset({name})


class CountsItsSteps(Momentum):
    """Counts the steps of all its runs."""

    taken = 0

    def step(self, closure: Any = None) -> Any:
        type(self).taken += 1
        return super().step(closure)


def test_a_changed_hyperparameter_is_followed_until_it_acts() -> None:
    subject: Any = probed(optimizer(CountsItsSteps, lr=0.5))
    case = replace(CASE, gradients=CASE.gradients * 8)
    CountsItsSteps.taken = 0
    assert not examined(subject, "hyperparameters-act", case).silent
    whole, named = len(case.gradients), len(subject.subject.settings)
    assert CountsItsSteps.taken < whole * (1 + 2) + 4 * (1 + named)  # the run itself, two rates, and each change


class ScalesByItsCurvature(PlainDescent):
    """Divides by a mean of g² that only ``update_curvature`` ever updates, as Sophia's does."""

    def __init__(self, params: Any, lr: float = 0.5, beta: float = 0.75) -> None:
        super().__init__(params, lr, beta=beta)

    @torch.no_grad()
    def update_curvature(self) -> None:
        """Look at the gradients as they stand."""
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    h = self.memory(p).get("h", torch.zeros_like(p))
                    self.memory(p)["h"] = h.lerp(p.grad.square(), 1 - group["beta"])

    def direction(self, p: Tensor, g: Tensor) -> Tensor:
        h: Tensor = self.memory(p).get("h", torch.zeros_like(p))
        return g / (1 + h)


class ForgetsItsDecayRate(ScalesByItsCurvature):
    """Has the same method, which computes with a constant."""

    @torch.no_grad()
    def update_curvature(self) -> None:
        """Look at the gradients, and at no group."""
        for p, memory in self.state.items():
            memory["h"] = torch.ones_like(p)


@pytest.mark.parametrize(("kind", "acts"), [(ScalesByItsCurvature, True), (ForgetsItsDecayRate, False)])
def test_a_hyperparameter_may_act_through_a_method_of_the_optimizers_own(kind: Any, *, acts: bool) -> None:
    found = probed(optimizer(kind, lr=0.5))
    evidence = examined(found, "hyperparameters-act", CASE)
    assert evidence.silent == frozenset({"beta"})
    assert evidence.acts_later is not None
    with isolated():
        assert evidence.acts_later("beta") is acts


class Nesterov(Momentum):
    """Looks ahead by a share that shrinks by ``momentum_decay``, where it is told to look ahead."""

    def __init__(self, params: Any, lr: float = 0.5, nesterov: bool = False, momentum_decay: float = 0.25) -> None:
        super().__init__(params, lr, nesterov=nesterov, momentum_decay=momentum_decay)

    def direction(self, p: Tensor, g: Tensor) -> Tensor:
        ahead: Tensor = super().direction(p, g)
        (group,) = (group for group in self.param_groups if any(p is q for q in group["params"]))
        return ahead + group["momentum_decay"] * g if group["nesterov"] else ahead


class Softened(PlainDescent):
    """Divides by 1 + |g|, where no other denominator is asked for: only that one has the epsilon."""

    def __init__(self, params: Any, lr: float = 0.5, eps: float = 0.25, denominator: str = "soft") -> None:
        super().__init__(params, lr, eps=eps)
        self.defaults["denominator"] = denominator
        for group in self.param_groups:
            group["denominator"] = denominator

    def move(self, p: Tensor, g: Tensor, group: Group) -> None:
        p.sub_(group["lr"] * g / (g.abs() + (1 if group["denominator"] == "soft" else group["eps"])))


@pytest.mark.parametrize(("kind", "name"), [(Nesterov, "momentum_decay"), (Softened, "eps")])
def test_a_hyperparameter_may_belong_to_a_switch_or_to_a_word(kind: Any, name: str) -> None:
    with isolated():
        found = measured_subject(optimizer(kind, lr=0.5), Settings())
        evidence = examined(found, "hyperparameters-act", CASE)
        assert evidence.silent == frozenset({name})
        assert evidence.acts_later is not None
        assert evidence.acts_later(name)


class DampsLargeMatrices(PlainDescent):
    """Has an epsilon for matrices of more than 512 entries, as ScalableShampoo has a decay rate."""

    def __init__(self, params: Any, lr: float = 0.5, eps: float = 0.25) -> None:
        super().__init__(params, lr, eps=eps)

    def move(self, p: Tensor, g: Tensor, group: Group) -> None:
        p.sub_(group["lr"] * (g / (1 + group["eps"]) if p.ndim == 2 and p.numel() > 512 else g))


class CapturesItsStep(PlainDescent):
    """Scales its decay by the learning rate in force, and its step by that of the constructor."""

    def __init__(self, params: Any, lr: float = 0.5, weight_decay: float = 0.0) -> None:
        super().__init__(params, lr, weight_decay=weight_decay)
        self.rate = lr

    def move(self, p: Tensor, g: Tensor, group: Group) -> None:
        p.mul_(1 - group["lr"] * group["weight_decay"])
        p.sub_(self.rate * g)


class ScalesBoth(CapturesItsStep):
    def move(self, p: Tensor, g: Tensor, group: Group) -> None:
        p.mul_(1 - group["lr"] * group["weight_decay"])
        p.sub_(group["lr"] * g)


SILENT_RATE = "changing lr (in param_groups) changes nothing, in any of 20 examples"


@pytest.mark.parametrize(
    ("kind", "status", "reason"),
    [(CapturesItsStep, Status.VIOLATED, SILENT_RATE), (ScalesBoth, Status.HELD, "")],
)
def test_a_rate_that_only_scales_the_decay_does_not_act(kind: Any, status: Status, reason: str) -> None:
    settings = Settings(seed=0, examples=20)
    (found,) = check_subject(
        optimizer(kind, lr=0.5), clauses="optimizer.hyperparameters-act", settings=settings
    ).verdicts
    assert (found.status, found.reason) == (status, reason)


def test_a_hyperparameter_may_act_on_matrices_that_the_case_does_not_have() -> None:
    vectors = replace(
        CASE,
        tensors=tuple(w.reshape(-1) for w in CASE.tensors),
        gradients=each_gradient(CASE, lambda g: g.reshape(-1)),
    )
    evidence = examined(probed(optimizer(DampsLargeMatrices, lr=0.5)), "hyperparameters-act", vectors)
    assert evidence.silent == frozenset({"eps"})
    assert evidence.acts_later is not None
    with isolated():
        assert evidence.acts_later("eps")


class TwoEpsilons(PlainDescent):
    """Has an epsilon for its rate too, as Adafactor has, and one that nothing reads where it is not scaled."""

    def __init__(self, params: Any, lr: float = 0.5, eps: tuple[float, float] = (0.25, 0.001)) -> None:
        super().__init__(params, lr)
        self.eps = eps

    def move(self, p: Tensor, g: Tensor, group: Group) -> None:
        p.sub_(group["lr"] * g / (g.abs() + self.eps[0]))


def test_of_several_epsilons_the_first_has_to_act() -> None:
    found = probed(optimizer(TwoEpsilons, lr=0.5))
    assert examined(found, "hyperparameters-act", CASE).silent == frozenset()


@pytest.mark.parametrize(
    ("name", "value", "others"),
    [
        ("momentum", 0.0, {"momentum": [0.5, 0.25]}),
        ("betas", (0.9, 0.5), {"betas[0]": [(0.5, 0.5), (0.25, 0.5)], "betas[1]": [(0.9, 0.25)]}),
        ("clip", 1.5, {"clip": [0.75, 3.0]}),
        ("clip", 0.0, {}),
        ("every", 1, {"every": [2, 2]}),
        ("fast", True, {}),
        ("most", float("inf"), {}),
        ("most", None, {}),
    ],
)
def test_other_values_of_a_hyperparameter_stay_where_it_has_its_meaning(name: str, value: Any, others: Any) -> None:
    assert alternatives(name, value) == others
