"""First steps that are not finite, rates that are never quite the learning rate, and options that nobody reads."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from gdprops.faults.optimizers.correct_optimizers import Group, Momentum, PlainDescent
from gdprops.faults.optimizers.declared_as import claims_nothing


class DividesByTheNormOfNothing(PlainDescent):
    """Divides every gradient by the norm of its tensor, also where that is 0."""

    def direction(self, p: Tensor, g: Tensor) -> Tensor:
        direction: Tensor = g / torch.linalg.vector_norm(g)
        return direction


class DividesBeforeItGathers(PlainDescent):
    """Divides by the root of the sum of squares, and adds to it only then."""

    def direction(self, p: Tensor, g: Tensor) -> Tensor:
        memory = self.memory(p)
        gathered = memory.setdefault("sum", torch.zeros_like(p))
        direction: Tensor = g / gathered.sqrt()
        gathered.add_(g * g)
        return direction


class AddsToItsRate(PlainDescent):
    """Guards the rate against 0 by a constant: a schedule that begins at 0 moves the weights all the same."""

    def move(self, p: Tensor, g: Tensor, group: Group) -> None:
        p.sub_((group["lr"] + 2.0**-10) * g)


class KeepsAMomentumThatMovesNothing(PlainDescent):
    """The momentum is gathered, and the gradient is applied."""

    def __init__(self, params: Iterable[Any], lr: float = 0.5, momentum: float = 0.75) -> None:
        super().__init__(params, lr, momentum=momentum)

    def move(self, p: Tensor, g: Tensor, group: Group) -> None:
        gathered = self.memory(p).setdefault("velocity", torch.zeros_like(p))
        gathered.mul_(group["momentum"]).add_(g)
        super().move(p, g, group)


class LookaheadNeverSynchronizes(Momentum):
    """The slow weights are kept, and the line that goes to them is never reached."""

    def __init__(self, params: Iterable[Any], lr: float = 0.5, k: int = 2, alpha: float = 0.5) -> None:
        super().__init__(params, lr, k=k, alpha=alpha)

    def move(self, p: Tensor, g: Tensor, group: Group) -> None:
        memory = self.memory(p)
        slow = memory.setdefault("slow", p.clone())
        super().move(p, g, group)
        if memory.get("steps", 0) and memory["steps"] % group["k"] == 0:
            slow.lerp_(p, group["alpha"])
            p.copy_(slow)


class SwitchesInMidLoop(PlainDescent):
    """The first tensor to reach its seventy-ninth step switches its group, while the others are still to move."""

    def move(self, p: Tensor, g: Tensor, group: Group) -> None:
        memory = self.memory(p)
        memory["step"] = memory.get("step", 0) + 1
        super().move(p, g / 2 if group.setdefault("late", False) else g, group)
        group["late"] |= memory["step"] == 79


FAULTS = (
    claims_nothing(
        "divides-by-the-norm-of-nothing", "A gradient of zeros is divided by its norm.", DividesByTheNormOfNothing
    ),
    claims_nothing(
        "divides-before-it-gathers", "The first gradient is divided by an empty sum of squares.", DividesBeforeItGathers
    ),
    claims_nothing("adds-to-its-rate", "A constant is added to the learning rate.", AddsToItsRate),
    claims_nothing(
        "keeps-a-momentum-that-moves-nothing",
        "The momentum changes the state and no weight.",
        KeepsAMomentumThatMovesNothing,
        source="KellerJordan/Muon#4",
    ),
    claims_nothing(
        "lookahead-never-synchronizes", "The slow weights are never returned to.", LookaheadNeverSynchronizes
    ),
    claims_nothing(
        "switches-in-mid-loop",
        "A phase is switched while the loop over the parameters runs.",
        SwitchesInMidLoop,
    ),
)
