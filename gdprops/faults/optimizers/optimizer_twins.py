"""Correct subjects with the plumbing of the faults: what looks suspicious here is right, and must hold everywhere."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from gdprops.faults.fault import Twin
from gdprops.faults.optimizers.correct_optimizers import (
    Adam,
    AMSGrad,
    Closure,
    Group,
    Maximizing,
    Momentum,
    PlainDescent,
)
from gdprops.faults.update_rules import array_rule_faults
from gdprops.subjects.torch_optimizer.subject import optimizer
from gdprops.subjects.update_rule.subject import update_rule


class WritesThroughData(PlainDescent):
    """Moves ``p.data``, which autograd does not see."""

    def move(self, p: Tensor, g: Tensor, group: Group) -> None:
        p.data.add_(g, alpha=-group["lr"])


class ReplacesData(PlainDescent):
    """Puts new storage behind every parameter."""

    def move(self, p: Tensor, g: Tensor, group: Group) -> None:
        p.data = p.data - group["lr"] * g


class MovesBackwards(PlainDescent):
    """Goes over groups and tensors back to front: at frozen gradients the order is nobody's business."""

    def move_all(self) -> None:
        for group in reversed(self.param_groups):
            for p in reversed(group["params"]):
                if p.grad is not None:
                    self.move(p, p.grad, group)


class CollectsBeforeItMoves(PlainDescent):
    """Computes every displacement first, then applies them all."""

    def move_all(self) -> None:
        every = [(p, group) for group in self.param_groups for p in group["params"] if p.grad is not None]
        moves = [(p, group["lr"] * p.grad) for p, group in every]
        for p, move in moves:
            p.sub_(move)


class RateAsTensor(PlainDescent):
    """Keeps its learning rate in a tensor."""

    def __init__(self, params: Iterable[Any], lr: float = 0.5) -> None:
        super().__init__(params, torch.tensor(lr, dtype=torch.float64))  # type: ignore[arg-type] # on purpose


class ManySubsteps(PlainDescent):
    """Calls its own inner optimizers, one for each tensor, with the gradients of one look."""

    @torch.no_grad()
    def step(self, closure: Closure | None = None) -> Any:
        """Take one step."""
        loss = self.look(closure)
        for group in self.param_groups:
            for p in group["params"]:
                torch.optim.SGD([p], lr=group["lr"]).step()
        return loss


class SignDescent(PlainDescent):
    """Moves every entry by eta against the sign of its derivative, g/|g| (Bernstein and others, 2018)."""

    def direction(self, p: Tensor, g: Tensor) -> Tensor:
        return g.sgn()


class Decays(PlainDescent):
    """Decoupled weight decay, before the step and only where there is a gradient (Loshchilov and Hutter, 2019)."""

    def __init__(self, params: Iterable[Any], lr: float = 0.5, weight_decay: float = 0.125) -> None:
        super().__init__(params, lr, weight_decay=weight_decay)

    def move(self, p: Tensor, g: Tensor, group: Group) -> None:
        p.mul_(1 - group["lr"] * group["weight_decay"])
        super().move(p, g, group)


class TrustRatio(PlainDescent):
    """Scales every tensor's rate by |w| / |g| (You, Gitman, Ginsburg, 2017): coupled within a tensor."""

    def direction(self, p: Tensor, g: Tensor) -> Tensor:
        length, slope = torch.linalg.vector_norm(p), torch.linalg.vector_norm(g)
        ratio = length / slope if length > 0 and slope > 0 else torch.ones_like(slope)
        return g * ratio


class ScalesWhatDecays(PlainDescent):
    """LARS as it is released: what does not decay is left to plain descent, and epsilon acts on the rest alone."""

    def __init__(
        self, params: Iterable[Any], lr: float = 0.5, weight_decay: float = 0.0, eps: float = 2.0**-10
    ) -> None:
        super().__init__(params, lr, weight_decay=weight_decay, eps=eps)

    def move(self, p: Tensor, g: Tensor, group: Group) -> None:
        decay, length, slope = group["weight_decay"], torch.linalg.vector_norm(p), torch.linalg.vector_norm(g)
        if decay and length > 0 and slope > 0:
            g = (g + decay * p) * (length / (slope + decay * length + group["eps"]))
        super().move(p, g, group)


class ClipsTheGlobalNorm(PlainDescent):
    """Clips the norm over all parameters before it moves any: coupled by design."""

    def move_all(self) -> None:
        grads = [p.grad for group in self.param_groups for p in group["params"] if p.grad is not None]
        norms = [torch.linalg.vector_norm(g.double()) for g in grads]
        norm = float(torch.linalg.vector_norm(torch.stack(norms))) if norms else 0.0
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self.move(p, p.grad / max(norm, 1.0), group)


class AdamCountedByGroup(Adam):
    """Keeps one clock per parameter group, advanced once per step."""

    def move_all(self) -> None:
        for group in self.param_groups:
            group["step"] = group.get("step", 0) + 1
            for p in group["params"]:
                self.memory(p)["step"] = group["step"] - 1
        super().move_all()


class HarmonicRate(PlainDescent):
    """Divides the rate by the number of steps that a tensor has taken (Robbins and Monro, 1951)."""

    def direction(self, p: Tensor, g: Tensor) -> Tensor:
        memory = self.memory(p)
        memory["step"] = memory.get("step", 0) + 1
        return g / int(memory["step"])


class ShrinksAfterItsWarmUp(PlainDescent):
    """Multiplies the rate by beta once a tensor has taken a hundred steps: before that beta does nothing."""

    def __init__(self, params: Iterable[Any], lr: float = 0.5, beta: float = 0.75) -> None:
        super().__init__(params, lr, beta=beta)

    def move(self, p: Tensor, g: Tensor, group: Group) -> None:
        memory = self.memory(p)
        memory["step"] = memory.get("step", 0) + 1
        super().move(p, group["beta"] * g if memory["step"] > 100 else g, group)


class Extrapolates(PlainDescent):
    """Nesterov's momentum as schedule-free rules have it: the closure is evaluated ahead of the weights."""

    @torch.no_grad()
    def step(self, closure: Closure | None = None) -> Any:
        if closure is None:
            raise TypeError("step() needs a closure: it is evaluated ahead of the weights")
        self.shift(0.5)
        loss = self.look(closure)
        self.shift(-0.5)
        self.move_all()
        return loss

    def shift(self, share: float) -> None:
        """Move every parameter by a share of its velocity."""
        for p, memory in self.state.items():
            p.add_(memory["velocity"], alpha=share)

    def move(self, p: Tensor, g: Tensor, group: Group) -> None:
        memory = self.memory(p)
        memory["velocity"] = 0.5 * memory.get("velocity", torch.zeros_like(p)) - group["lr"] * g
        p.add_(memory["velocity"])


class LooksUphill(PlainDescent):
    """Takes the gradient at weights a little uphill, and goes back before it moves (Foret and others, 2021: SAM)."""

    @torch.no_grad()
    def step(self, closure: Closure | None = None) -> Any:
        if closure is None:
            raise TypeError("step() needs a closure: it is evaluated uphill of the weights")
        loss = self.look(closure)
        moved = [(p, p.grad / 16) for group in self.param_groups for p in group["params"] if p.grad is not None]
        for p, uphill in moved:
            p.add_(uphill)
        self.look(closure)
        self.back(moved)
        self.move_all()
        return loss

    def back(self, moved: list[tuple[Tensor, Tensor]]) -> None:
        """Take the perturbations away again."""
        for p, uphill in moved:
            p.sub_(uphill)


class LooksAhead(PlainDescent):
    """Every second step returns half-way to where it was two steps ago (Zhang and others, 2019)."""

    def move(self, p: Tensor, g: Tensor, group: Group) -> None:
        memory = self.memory(p)
        slow = memory.setdefault("slow", p.clone())
        memory["step"] = memory.get("step", 0) + 1
        super().move(p, g, group)
        if memory["step"] % 2 == 0:
            p.copy_((p + slow) / 2)
            slow.copy_(p)


class DrawsGlobalNoise(PlainDescent):
    """Adds noise from torch's global generator, which a seed repeats (Welling and Teh, 2011)."""

    def direction(self, p: Tensor, g: Tensor) -> Tensor:
        return g + torch.randn_like(g)


def _twin(
    name: str,
    kind: type[torch.optim.Optimizer],
    *,
    rule: str | None = None,
    traits: dict[str, str] | None = None,
    **hyperparameters: Any,
) -> Twin:
    given = {"lr": 0.5, **hyperparameters}
    return Twin(name, subject=lambda: optimizer(kind, rule=rule, traits=traits, name=name, **given))


def _rule(name: str, function: array_rule_faults.Rule, rule: str | None = None) -> Twin:
    return Twin(name, subject=lambda: update_rule(function, rule=rule, name=name, lr=0.5))


TWINS = (
    _twin("hand-written-sgd", PlainDescent, rule="sgd"),
    _twin("writes-through-data", WritesThroughData),
    _twin("replaces-data", ReplacesData, rule="sgd", traits={"storage": "replaced"}),
    _twin("moves-backwards", MovesBackwards),
    _twin("collects-before-it-moves", CollectsBeforeItMoves),
    _twin("rate-as-tensor", RateAsTensor),
    _twin("many-substeps", ManySubsteps),
    _twin("torch-sgd", torch.optim.SGD, rule="sgd", fused=False),  # fused momentum crashes where a gradient is late
    _twin("torch-sgd-foreach", torch.optim.SGD, momentum=0.5, foreach=True, fused=False),
    _twin(  # torch's foreach path writes Nesterov's momentum into .grad
        "torch-nesterov", torch.optim.SGD, rule="nesterov", momentum=0.9, nesterov=True, foreach=False, fused=False
    ),
    _twin("torch-adam", torch.optim.Adam, rule="adam", lr=0.01),
    _twin("torch-adamw-foreach", torch.optim.AdamW, rule="adamw", lr=0.01, foreach=True),
    _twin("hand-written-momentum", Momentum),
    _twin("hand-written-adam", Adam),
    _twin("maximizing", Maximizing),
    _twin("amsgrad-in-two-ways", AMSGrad),
    _twin("adam-counted-by-group", AdamCountedByGroup),
    _twin("sign-descent", SignDescent),
    _twin("decoupled-decay", Decays),
    _twin("trust-ratio", TrustRatio),
    _twin("scales-what-decays", ScalesWhatDecays),
    _twin("clips-the-global-norm", ClipsTheGlobalNorm),
    _twin("harmonic-rate", HarmonicRate),
    _twin("shrinks-after-its-warm-up", ShrinksAfterItsWarmUp),
    _twin("looks-ahead", LooksAhead),
    _twin("extrapolates", Extrapolates),
    _twin("looks-uphill", LooksUphill),
    _twin("draws-global-noise", DrawsGlobalNoise),
    _rule("sgd-rule", array_rule_faults.sgd, "sgd"),
    _rule("momentum-rule", array_rule_faults.momentum),
    _rule("adam-rule", array_rule_faults.adam),
)
