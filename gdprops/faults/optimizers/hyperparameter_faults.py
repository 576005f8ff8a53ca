"""Hyperparameters and declarations that say one thing and do another."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from gdprops.faults.fault import Fault
from gdprops.faults.optimizers.correct_optimizers import Group, Momentum, PlainDescent
from gdprops.faults.optimizers.declared_as import claims_nothing, claims_to_be_plain
from gdprops.subjects.torch_optimizer.subject import optimizer


class ReadsItsDefaults(PlainDescent):
    """The decay is taken from the constructor's arguments, not from the group."""

    def __init__(self, params: Iterable[Any], lr: float = 0.5, weight_decay: float = 0.0) -> None:
        torch.optim.Optimizer.__init__(self, params, {"lr": lr, "weight_decay": weight_decay})

    def move(self, p: Tensor, g: Tensor, group: Group) -> None:
        super().move(p, g + self.defaults["weight_decay"] * p, group)


class ReadsTheFirstGroupsDecay(ReadsItsDefaults):
    """The decay is taken from the first group, whatever the other groups say."""

    def move(self, p: Tensor, g: Tensor, group: Group) -> None:
        PlainDescent.move(self, p, g + self.param_groups[0]["weight_decay"] * p, group)


class WeightDecayIgnoredWithoutMomentum(PlainDescent):
    """The decay is added in the branch of the momentum."""

    def __init__(
        self, params: Iterable[Any], lr: float = 0.5, momentum: float = 0.0, weight_decay: float = 0.0
    ) -> None:
        torch.optim.Optimizer.__init__(self, params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    def move(self, p: Tensor, g: Tensor, group: Group) -> None:
        if group["momentum"]:
            g = g + group["weight_decay"] * p + group["momentum"] * self.memory(p).get("last", 0)
            self.memory(p)["last"] = g
        super().move(p, g, group)


class RateReadAtConstruction(PlainDescent):
    """Keeps the learning rate that it was built with; schedulers change the group's."""

    def __init__(self, params: Iterable[Any], lr: float = 0.5) -> None:
        super().__init__(params, lr)
        self.rate = lr

    def move(self, p: Tensor, g: Tensor, group: Group) -> None:
        p.sub_(self.rate * g)


class DecayRateIsAConstant(Momentum):
    """Takes a decay rate of its momentum, and computes with a half."""

    def __init__(self, params: Iterable[Any], lr: float = 0.5, beta: float = 0.75) -> None:
        super().__init__(params, lr, beta=beta)


class AMSGradDoesNothing(Momentum):
    """Takes the switch, and keeps no maximum."""

    def __init__(self, params: Iterable[Any], lr: float = 0.5, amsgrad: bool = False) -> None:
        super().__init__(params, lr, amsgrad=amsgrad)


class AMSGradKeepsAMaximumOfZero(PlainDescent):
    """Compares with a maximum that stays zero."""

    def __init__(self, params: Iterable[Any], lr: float = 0.5, amsgrad: bool = False) -> None:
        super().__init__(params, lr, amsgrad=amsgrad)

    def move(self, p: Tensor, g: Tensor, group: Group) -> None:
        memory = self.memory(p)
        square = memory["square"] = g.square() if "square" not in memory else memory["square"].lerp(g.square(), 0.5)
        if group["amsgrad"]:
            square = torch.maximum(memory.setdefault("maximum", torch.zeros_like(g)), square)
        super().move(p, g / (1 + square.sqrt()), group)


class TakesAnyRate(PlainDescent):
    """Checks nothing."""

    def __init__(self, params: Iterable[Any], lr: float = 0.5) -> None:
        torch.optim.Optimizer.__init__(self, params, {"lr": lr})


class ClimbsWhileItWarmsUp(PlainDescent):
    """The bias correction of the first twenty steps has the wrong sign."""

    def direction(self, p: Tensor, g: Tensor) -> Tensor:
        memory = self.memory(p)
        memory["step"] = memory.get("step", 0) + 1
        return g if memory["step"] > 20 else -g


class NormalizesByTensor(PlainDescent):
    """Divides every gradient by the norm of its tensor, and says that it is element-wise."""

    def direction(self, p: Tensor, g: Tensor) -> Tensor:
        direction: Tensor = g / (1 + torch.linalg.vector_norm(g))
        return direction


class SwitchesLate(PlainDescent):
    """From the sixtieth step on it moves half as far."""

    def direction(self, p: Tensor, g: Tensor) -> Tensor:
        memory = self.memory(p)
        memory["step"] = memory.get("step", 0) + 1
        return g if memory["step"] < 60 else g / 2


FAULTS = (
    claims_nothing(
        "reads-its-defaults",
        "A weight decay that is given in a group is ignored.",
        ReadsItsDefaults,
    ),
    claims_nothing(
        "reads-the-first-groups-decay",
        "Every group decays by the weight decay of the first one.",
        ReadsTheFirstGroupsDecay,
    ),
    claims_nothing(
        "weight-decay-ignored-without-momentum",
        "Without momentum the weight decay does nothing.",
        WeightDecayIgnoredWithoutMomentum,
        source="ml-explore/mlx#440",
    ),
    claims_nothing(
        "rate-read-at-construction",
        "A learning rate that is set in param_groups is ignored.",
        RateReadAtConstruction,
    ),
    claims_nothing(
        "decay-rate-is-a-constant",
        "The decay rate of the momentum stands in the groups, and nothing reads it.",
        DecayRateIsAConstant,
    ),
    claims_nothing(
        "amsgrad-does-nothing",
        "A switch stands in the groups, and nothing reads it.",
        AMSGradDoesNothing,
    ),
    claims_nothing(
        "amsgrad-keeps-a-maximum-of-zero",
        "The maximum of the second moments is computed and not stored.",
        AMSGradKeepsAMaximumOfZero,
        source="pytorch/pytorch#78807",
    ),
    claims_nothing(
        "takes-any-rate",
        "A negative learning rate is taken.",
        TakesAnyRate,
    ),
    claims_nothing(
        "climbs-while-it-warms-up",
        "The first twenty steps go uphill.",
        ClimbsWhileItWarmsUp,
    ),
    Fault(
        "declares-what-it-is-not",
        "Declares itself element-wise and divides by the norm of each tensor.",
        subject=lambda: optimizer(
            NormalizesByTensor, traits={"separability": "element"}, name="declares-what-it-is-not", lr=0.5
        ),
    ),
    claims_to_be_plain(
        "sgd-switches-late",
        "From the sixtieth step on it moves half as far.",
        SwitchesLate,
    ),
)
