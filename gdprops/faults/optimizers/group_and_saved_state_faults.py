"""Wrong plumbing around a right rule: groups, saved state, closures, frozen parameters, other runs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gdprops.faults.optimizers.correct_optimizers import Closure, Group, PlainDescent
from gdprops.faults.optimizers.declared_as import claims_nothing, claims_to_be_plain


class OnlyTheFirstGroupMoves(PlainDescent):
    """The loop over the groups is missing."""

    def move_all(self) -> None:
        group = self.param_groups[0]
        for p in group["params"]:
            if p.grad is not None:
                self.move(p, p.grad, group)


class EveryGroupMovesEverything(PlainDescent):
    """The loop over a group's tensors is not inside the loop over the groups."""

    def move_all(self) -> None:
        everything = [p for group in self.param_groups for p in group["params"]]
        for group in self.param_groups:
            for p in everything:
                if p.grad is not None:
                    self.move(p, p.grad, group)


class StopsAtAMissingGradient(PlainDescent):
    """Returns, where it should continue, at the first tensor without a gradient."""

    def move_all(self) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    return
                self.move(p, p.grad, group)


class ClipsAsItGoes(PlainDescent):
    """Clips each gradient by the norm of all while it goes over them: later ones see the earlier ones clipped."""

    def move_all(self) -> None:
        pairs = [
            (p, p.grad.clone(), group) for group in self.param_groups for p in group["params"] if p.grad is not None
        ]
        for p, g, group in pairs:
            g.div_(max(sum(float(other.square().sum()) for _, other, _ in pairs) ** 0.5, 0.125))
            self.move(p, g, group)


class StepsOldGroups(PlainDescent):
    """Keeps the groups that it was built with; loading replaces ``param_groups`` and changes nothing."""

    def __init__(self, params: Iterable[Any], lr: float = 0.5) -> None:
        super().__init__(params, lr)
        self.kept = self.param_groups

    def move_all(self) -> None:
        for group in self.kept:
            for p in group["params"]:
                if p.grad is not None:
                    self.move(p, p.grad, group)


class ShowsOldGroups(PlainDescent):
    """Steps the groups that were loaded, and shows those that it was built with: a scheduler changes nothing."""

    def load_state_dict(self, state_dict: Any) -> None:
        """Load into groups that nobody sees."""
        shown = self.param_groups
        super().load_state_dict(state_dict)
        self.loaded, self.param_groups = self.param_groups, shown

    def move_all(self) -> None:
        for group in vars(self).get("loaded", self.param_groups):
            for p in group["params"]:
                if p.grad is not None:
                    self.move(p, p.grad, group)


class RateFollowsTheLoss(PlainDescent):
    """With a closure, the step is as long as the loss is large."""

    @torch.no_grad()
    def step(self, closure: Closure | None = None) -> Any:
        """Take one step."""
        loss = self.look(closure)
        scale = 1.0 if loss is None else min(abs(float(loss)), 1.0)
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.sub_(scale * group["lr"] * p.grad)
        return loss


class TrustsOnlyPlainGradients(PlainDescent):
    """Passes over a gradient that has a graph of its own."""

    def move(self, p: Tensor, g: Tensor, group: Group) -> None:
        if not g.requires_grad:
            super().move(p, g, group)


class LooksAtItsFirstClosureOnly(PlainDescent):
    """With a closure, evaluates it in the first step only and reuses its gradients from then on."""

    def look(self, closure: Closure | None) -> Any:
        group = self.param_groups[0]
        loss = super().look(closure) if "seen" not in group else None
        if closure is not None:
            group["seen"] = True
        return loss


class DecaysFrozenParameters(PlainDescent):
    """Every parameter decays, whether or not it is trained."""

    def move_all(self) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                p.mul_(1 - group["lr"] / 8)
        super().move_all()


class FrozenEnterTheNorm(PlainDescent):
    """The step is divided by the norm of all weights, frozen ones among them."""

    def move_all(self) -> None:
        everything = [p.double().square().sum() for group in self.param_groups for p in group["params"]]
        norm = 1 + torch.stack(everything).sum().sqrt()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self.move(p, p.grad / norm.to(p.dtype), group)


class RemembersOtherRuns(PlainDescent):
    """The number of steps is counted on the class."""

    steps = 0

    def direction(self, p: Tensor, g: Tensor) -> Tensor:
        RemembersOtherRuns.steps += 1
        return g / (1 + RemembersOtherRuns.steps % 7)


class DrawsPrivateNoise(PlainDescent):
    """Adds noise from a generator of its own, which no seed reaches."""

    generator = np.random.default_rng(0)

    def direction(self, p: Tensor, g: Tensor) -> Tensor:
        noise = DrawsPrivateNoise.generator.normal(size=tuple(g.shape))
        return g + torch.as_tensor(noise, dtype=g.dtype)


FAULTS = (
    claims_to_be_plain(
        "only-the-first-group-moves",
        "Groups after the first never move.",
        OnlyTheFirstGroupMoves,
    ),
    claims_to_be_plain(
        "every-group-moves-everything",
        "Every tensor moves once per group.",
        EveryGroupMovesEverything,
    ),
    claims_to_be_plain(
        "stops-at-a-missing-gradient",
        "A step returns at the first tensor without a gradient.",
        StopsAtAMissingGradient,
        source="pytorch/pytorch#110454",
    ),
    claims_to_be_plain(
        "steps-old-groups",
        "The groups that loading brings are never looked at.",
        StepsOldGroups,
        source="NVIDIA/apex#766",
    ),
    claims_to_be_plain(
        "shows-old-groups",
        "The groups that loading brings are stepped and not shown: a learning rate set from then on is lost.",
        ShowsOldGroups,
        source="NVIDIA/apex#766",
    ),
    claims_to_be_plain(
        "rate-follows-the-loss",
        "A step is as long as the closure's loss is large.",
        RateFollowsTheLoss,
    ),
    claims_to_be_plain(
        "trusts-only-assigned-gradients",
        "A gradient with a graph of its own is passed over.",
        TrustsOnlyPlainGradients,
    ),
    claims_to_be_plain(
        "looks-at-its-first-closure-only",
        "The closure is evaluated in the first step only.",
        LooksAtItsFirstClosureOnly,
    ),
    claims_nothing(
        "decays-frozen-parameters",
        "Every parameter decays, whether or not it is trained.",
        DecaysFrozenParameters,
        source="ahrefs/ocannl#673",
    ),
    claims_nothing(
        "frozen-enter-the-norm",
        "The step is divided by the norm of all weights, frozen ones among them.",
        FrozenEnterTheNorm,
        source="ahrefs/ocannl#673",
    ),
    claims_nothing(
        "clips-as-it-goes",
        "The norm over all parameters is computed anew for each, from gradients that are clipped one by one.",
        ClipsAsItGoes,
    ),
    claims_nothing(
        "remembers-other-runs",
        "Steps are counted on the class, over all optimizers.",
        RemembersOtherRuns,
    ),
    claims_nothing(
        "draws-private-noise",
        "Every step adds noise from a generator of its own.",
        DrawsPrivateNoise,
    ),
)
