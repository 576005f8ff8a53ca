"""Wrong answers to what an optimizer is fed: missing gradients, late groups, closures, objectives to maximize."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from gdprops.faults.optimizers.correct_optimizers import Adam, Closure, Group, Maximizing, PlainDescent
from gdprops.faults.optimizers.declared_as import claims_nothing
from gdprops.faults.optimizers.optimizer_twins import Extrapolates, LooksUphill


class ZerosForMissingGradients(PlainDescent):
    """Puts zeros where a gradient is missing, and every parameter decays."""

    def move_all(self) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                p.mul_(1 - group["lr"] / 8)
                self.move(p, torch.zeros_like(p) if p.grad is None else p.grad, group)


class DecaysWhatHasNoGradient(PlainDescent):
    """The decay has a loop of its own, over all parameters."""

    def __init__(self, params: Iterable[Any], lr: float = 0.5, weight_decay: float = 0.0) -> None:
        super().__init__(params, lr, weight_decay=weight_decay)

    def move_all(self) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                p.mul_(1 - group["lr"] * group["weight_decay"])
        super().move_all()


class KnowsOnlyItsFirstGradients(PlainDescent):
    """Gathers what it moves at the first step: a gradient that comes later is never looked at."""

    def move_all(self) -> None:
        held = [p for group in self.param_groups for p in group["params"] if p.grad is not None]
        bucket = vars(self).setdefault("bucket", held)
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None and any(p is q for q in bucket):
                    self.move(p, p.grad, group)


class ClockAdvancesWithoutAGradient(Adam):
    """The clocks of all tensors that have state advance in every step."""

    def move_all(self) -> None:
        for p, memory in self.state.items():
            if p.grad is None:
                memory["step"] += 1
        super().move_all()


class LeavesAheadWhatHasNoGradient(Extrapolates):
    """Puts only those parameters back from where its closure looks that have a gradient then."""

    def shift(self, share: float) -> None:
        for p, memory in self.state.items():
            if share > 0 or p.grad is not None:
                p.add_(memory["velocity"], alpha=share)


class StaysWhereItLooked(LooksUphill):
    """Steps from the perturbed weights: the perturbation is not taken back (as in many ports of SAM)."""

    def back(self, moved: list[tuple[Tensor, Tensor]]) -> None:
        """Leave the weights where the closure looked."""


class MaximizeTurnsTheDecay(Maximizing):
    """Turns the gradient round after the decay has been added to it."""

    def move(self, p: Tensor, g: Tensor, group: Group) -> None:
        decayed = g + group["weight_decay"] * p
        p.sub_(group["lr"] * (-decayed if group["maximize"] else decayed))


class MaximizeOnlyAtFirst(Maximizing):
    """The gradient that it remembers from the step before is not turned round."""

    def move(self, p: Tensor, g: Tensor, group: Group) -> None:
        last = self.memory(p).get("last", torch.zeros_like(g))
        self.memory(p)["last"] = g.clone()
        super().move(p, g, group)
        p.sub_(group["lr"] * last / 4)


class LateGroupsNeverMove(PlainDescent):
    """Goes over the groups that it was built with."""

    def __init__(self, params: Iterable[Any], lr: float = 0.5) -> None:
        super().__init__(params, lr)
        self.kept = [group["params"] for group in self.param_groups]

    def move_all(self) -> None:
        for parameters in self.kept:
            for p in parameters:
                if p.grad is not None:
                    self.move(p, p.grad, self.param_groups[0])


class LateGroupsStartOld(Adam):
    """The clocks of an added group start where the first parameter's clock is."""

    def add_param_group(self, param_group: Group) -> None:
        """Add a group, and set its clocks."""
        super().add_param_group(param_group)
        step = self.memory(self.param_groups[0]["params"][0]).get("step", 0)
        for p in self.param_groups[-1]["params"]:
            self.memory(p)["step"] = step


class ClosureNeverCalled(PlainDescent):
    """Takes a closure and leaves it alone."""

    def look(self, closure: Closure | None) -> Any:
        """Use the gradients of the last backward pass, whatever the closure would say."""
        return 1.0 if closure is not None else None


class ClosureCalledTwice(PlainDescent):
    """Evaluates the closure once more for the loss that it returns."""

    def look(self, closure: Closure | None) -> Any:
        """Evaluate twice."""
        super().look(closure)
        return super().look(closure)


class ReturnsNoLoss(PlainDescent):
    """Evaluates the closure and keeps its loss."""

    def look(self, closure: Closure | None) -> Any:
        """Evaluate, and return nothing."""
        super().look(closure)


class ClosureAfterTheMove(PlainDescent):
    """Moves along the last gradients, then evaluates the closure for the next step."""

    @torch.no_grad()
    def step(self, closure: Closure | None = None) -> Any:
        """Take one step."""
        self.move_all()
        for group in self.param_groups:
            for p in group["params"]:
                p.mul_(0.5)
        return self.look(closure)


class ZeroesTheFirstGroupOnly(PlainDescent):
    """The loop over the groups is missing in zero_grad."""

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Remove the gradients of one group."""
        for p in self.param_groups[0]["params"][:2]:
            p.grad = None


FAULTS = (
    claims_nothing(
        "zeros-for-missing-gradients",
        "A missing gradient is replaced by zeros, and the parameter decays.",
        ZerosForMissingGradients,
        source="KellerJordan/Muon#54",
    ),
    claims_nothing(
        "decays-what-has-no-gradient",
        "Switched on, the decay takes every parameter, with a gradient or without.",
        DecaysWhatHasNoGradient,
    ),
    claims_nothing(
        "knows-only-its-first-gradients",
        "A parameter that has no gradient at the first step never moves.",
        KnowsOnlyItsFirstGradients,
    ),
    claims_nothing(
        "clock-advances-without-a-gradient",
        "A parameter's clock advances in steps in which it has no gradient.",
        ClockAdvancesWithoutAGradient,
    ),
    claims_nothing(
        "leaves-ahead-what-has-no-gradient",
        "Extrapolated parameters are put back only where the closure gives a gradient.",
        LeavesAheadWhatHasNoGradient,
    ),
    claims_nothing(
        "maximize-turns-the-decay",
        "Maximizing turns the weight decay round too: weights grow.",
        MaximizeTurnsTheDecay,
        source="pytorch/pytorch#92706",
    ),
    claims_nothing(
        "maximize-only-at-first",
        "Maximizing does not turn the remembered gradient round.",
        MaximizeOnlyAtFirst,
    ),
    claims_nothing(
        "late-groups-never-move",
        "Groups that are added later are never looked at.",
        LateGroupsNeverMove,
    ),
    claims_nothing(
        "late-groups-start-old",
        "The clocks of a group that is added later do not start at zero.",
        LateGroupsStartOld,
    ),
    claims_nothing(
        "closure-never-called",
        "The closure is never called.",
        ClosureNeverCalled,
    ),
    claims_nothing(
        "closure-called-twice",
        "The closure is called twice.",
        ClosureCalledTwice,
    ),
    claims_nothing(
        "returns-no-loss",
        "A step with a closure does not return its loss.",
        ReturnsNoLoss,
    ),
    claims_nothing(
        "stays-where-it-looked",
        "The weights stay where the closure was evaluated: SAM's perturbation is not taken back.",
        StaysWhereItLooked,
    ),
    claims_nothing(
        "closure-after-the-move",
        "The closure is called after the weights have moved.",
        ClosureAfterTheMove,
    ),
    claims_nothing(
        "zeroes-the-first-group-only",
        "zero_grad() leaves some gradients as they are.",
        ZeroesTheFirstGroupOnly,
    ),
)
