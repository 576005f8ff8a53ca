"""Wrong plain gradient descent: moving by something else than -eta g."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from gdprops.faults.optimizers.correct_optimizers import Closure, Group, Momentum, PlainDescent
from gdprops.faults.optimizers.declared_as import claims_nothing, claims_to_be_plain


class DoublesTheStep(PlainDescent):
    """Moves by -2 eta g."""

    def direction(self, p: Tensor, g: Tensor) -> Tensor:
        return 2 * g


class OffByOneMillionth(PlainDescent):
    """Moves by -1.000001 eta g."""

    def direction(self, p: Tensor, g: Tensor) -> Tensor:
        return g * (1 + 1e-6)


class OneEntryOffByOneMillionth(PlainDescent):
    """The first entry of every tensor moves by -1.000001 eta g."""

    def direction(self, p: Tensor, g: Tensor) -> Tensor:
        wrong = g.clone()
        wrong.reshape(-1)[:1].mul_(1 + 1e-6)
        return wrong


class SignFlipped(PlainDescent):
    """Moves uphill."""

    def direction(self, p: Tensor, g: Tensor) -> Tensor:
        return -g


class ClimbsAfterAWhile(PlainDescent):
    """Moves uphill from the third step on."""

    def direction(self, p: Tensor, g: Tensor) -> Tensor:
        memory = self.memory(p)
        memory["step"] = memory.get("step", 0) + 1
        return g if memory["step"] < 3 else -g


class DecaysMovedWeights(PlainDescent):
    """Moves by -eta g, then decays the weights that have moved already."""

    def move(self, p: Tensor, g: Tensor, group: Group) -> None:
        p.sub_(group["lr"] * g)
        p.sub_(group["lr"] * 1e-3 * p)


class ForgetsTheLast(PlainDescent):
    """The last tensor of every group never moves."""

    def move_all(self) -> None:
        for group in self.param_groups:
            for p in group["params"][:-1] if len(group["params"]) > 1 else group["params"]:
                if p.grad is not None:
                    self.move(p, p.grad, group)


class SkipsVectors(PlainDescent):
    """Biases and other vectors never move."""

    def move(self, p: Tensor, g: Tensor, group: Group) -> None:
        if p.ndim != 1:
            super().move(p, g, group)


class MovesOneTensorPerStep(PlainDescent):
    """Step t moves the tensor t mod n only: coordinate descent that calls itself a step."""

    def move_all(self) -> None:
        everything = [(p, group) for group in self.param_groups for p in group["params"]]
        first = self.param_groups[0]
        first["turn"] = first.get("turn", -1) + 1
        p, group = everything[first["turn"] % len(everything)]
        if p.grad is not None:
            self.move(p, p.grad, group)


class StopsAtADeadTensor(PlainDescent):
    """Returns, where it should continue, at the first tensor whose gradient is all zeros."""

    def move_all(self) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None or not p.grad.any():
                    return
                self.move(p, p.grad, group)


class MovesDeadEntries(PlainDescent):
    """An entry whose derivative is zero drifts: zero is taken for missing."""

    def direction(self, p: Tensor, g: Tensor) -> Tensor:
        return torch.where(g == 0, torch.full_like(g, 0.01), g)


class HoldsOtherTensors(PlainDescent):
    """Keeps detached copies of the model's parameters, and moves those."""

    def __init__(self, params: Iterable[Any], lr: float = 0.5) -> None:
        groups: list[Any] = [dict(p) if isinstance(p, dict) else p for p in params]
        if isinstance(groups[0], dict):
            groups = [{**group, "params": [p.detach().clone() for p in group["params"]]} for group in groups]
        else:
            groups = [p.detach().clone() for p in groups]
        super().__init__(groups, lr)


class ClipsTheNorm(PlainDescent):
    """Clips the global norm of the gradient without being asked."""

    def move_all(self) -> None:
        grads = [p.grad for group in self.param_groups for p in group["params"] if p.grad is not None]
        norm = sum(float(g.double().square().sum()) for g in grads) ** 0.5
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self.move(p, p.grad / max(norm, 1.0), group)


class RateClippedAtOne(PlainDescent):
    """A learning rate above 1 counts as 1."""

    def move(self, p: Tensor, g: Tensor, group: Group) -> None:
        p.sub_(min(group["lr"], 1.0) * g)


class RateSquared(PlainDescent):
    """The learning rate is multiplied in twice."""

    def move(self, p: Tensor, g: Tensor, group: Group) -> None:
        p.sub_(group["lr"] ** 2 * g)


class StaleGradients(PlainDescent):
    """From the second step on, every step uses the gradient of the step before."""

    def direction(self, p: Tensor, g: Tensor) -> Tensor:
        memory = self.memory(p)
        last: Tensor = memory.get("last", g)
        memory["last"] = g.clone()
        return last


class AddsTheLastGradient(PlainDescent):
    """Nobody zeroes the gradients: the last step's is added to this one's."""

    def direction(self, p: Tensor, g: Tensor) -> Tensor:
        memory = self.memory(p)
        both: Tensor = g + memory["last"] if "last" in memory else g
        memory["last"] = g.clone()
        return both


class LooksAgainForEachTensor(PlainDescent):
    """With a closure, every tensor gets a look of its own, after those before it have moved."""

    def step(self, closure: Closure | None = None) -> Any:
        """Take one step."""
        for group in self.param_groups:
            for p in group["params"]:
                self.look(closure)
                if p.grad is not None:
                    with torch.no_grad():
                        self.move(p, p.grad, group)


class MovesBeforeItLooks(PlainDescent):
    """Decays the weights and then lets the closure look; a step without a closure decays after looking."""

    @torch.no_grad()
    def step(self, closure: Closure | None = None) -> Any:
        """Take one step."""
        for group in self.param_groups:
            for p in group["params"]:
                p.mul_(1 - group["lr"] / 8)
        loss = self.look(closure)
        self.move_all()
        return loss


class LastTensorMovesFirst(PlainDescent):
    """With a closure, moves the last tensor at the old gradients before the closure looks for the rest."""

    @torch.no_grad()
    def step(self, closure: Closure | None = None) -> Any:
        """Take one step."""
        loss, group = self.look(closure), self.param_groups[-1]
        last = group["params"][-1]
        if last.grad is not None:
            self.move(last, last.grad, group)
            self.look(closure)
            last.grad = None
        self.move_all()
        return loss


class ReadsItsUpdatedNeighbour(PlainDescent):
    """Pulls every tensor towards the mean of the one before it, which has moved already."""

    def move_all(self) -> None:
        mean = 0.0
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self.move(p, p.grad + 0.125 * mean, group)
                    mean = float(p.mean()) if p.numel() else mean


FAULTS = (
    claims_to_be_plain(
        "sgd-doubles-the-step",
        "Every displacement is -2 eta g.",
        DoublesTheStep,
        source="PKU-YuanGroup/Helios#130",
    ),
    claims_to_be_plain(
        "sgd-off-by-one-millionth",
        "Every displacement is one millionth too long.",
        OffByOneMillionth,
    ),
    claims_to_be_plain(
        "sgd-one-entry-off-by-one-millionth",
        "One entry's displacement is one millionth too long.",
        OneEntryOffByOneMillionth,
    ),
    claims_to_be_plain(
        "sgd-sign-flipped",
        "Every step goes uphill.",
        SignFlipped,
    ),
    claims_to_be_plain(
        "sgd-climbs-after-a-while",
        "From the third step on, every step goes uphill.",
        ClimbsAfterAWhile,
    ),
    claims_to_be_plain(
        "sgd-decays-moved-weights",
        "The weights decay after they have moved.",
        DecaysMovedWeights,
        source="huggingface/transformers#14539",
    ),
    claims_to_be_plain(
        "sgd-forgets-the-last",
        "The last tensor of every group never moves.",
        ForgetsTheLast,
    ),
    claims_to_be_plain(
        "skips-vectors",
        "Biases and other vectors never move.",
        SkipsVectors,
    ),
    claims_to_be_plain(
        "moves-one-tensor-per-step",
        "Each step moves one tensor, the next step the next.",
        MovesOneTensorPerStep,
    ),
    claims_to_be_plain(
        "stops-at-a-dead-tensor",
        "A step returns at the first tensor whose gradient is zero.",
        StopsAtADeadTensor,
        source="pytorch/pytorch#110454",
    ),
    claims_to_be_plain(
        "moves-dead-entries",
        "An entry whose derivative is zero drifts.",
        MovesDeadEntries,
        source="KellerJordan/Muon#54",
    ),
    claims_to_be_plain(
        "holds-other-tensors",
        "The optimizer moves detached copies of the parameters.",
        HoldsOtherTensors,
        source="huggingface/accelerate#2665, huggingface/accelerate#3256",
    ),
    claims_to_be_plain(
        "sgd-with-hidden-momentum",
        "Something that calls itself plain remembers the last gradients: plain at step 1 only.",
        Momentum,
    ),
    claims_to_be_plain(
        "sgd-clips-the-norm",
        "Something that calls itself plain clips the global norm: no tensor moves on its own.",
        ClipsTheNorm,
    ),
    claims_to_be_plain(
        "rate-clipped-at-one",
        "A learning rate above 1 counts as 1.",
        RateClippedAtOne,
    ),
    claims_to_be_plain(
        "sgd-with-rate-squared",
        "The learning rate is multiplied in twice.",
        RateSquared,
    ),
    claims_to_be_plain(
        "sgd-with-stale-gradients",
        "Every step uses the gradient of the step before.",
        StaleGradients,
    ),
    claims_to_be_plain(
        "sgd-adds-the-last-gradient",
        "The gradients are never zeroed: the last step's is added to this one's.",
        AddsTheLastGradient,
        source="karpathy/llm.c#548",
    ),
    claims_to_be_plain(
        "looks-again-for-each-tensor",
        "Every tensor gets a look of its own, after those before it have moved.",
        LooksAgainForEachTensor,
        source="tensorflow/tensorflow#48855, tensorflow/java#520",
    ),
    claims_to_be_plain(
        "last-tensor-moves-first",
        "The last tensor moves before the gradients of the others are taken.",
        LastTensorMovesFirst,
        source="VikParuchuri/zero_to_gpt#12, LxMLS/lxmls-guide#115, louisjc/mnist-neural-network#1, "
        "kim-marcel/basic_neural_network#7, Bot-Academy/NeuralNetworkFromScratch#3",
    ),
    claims_nothing(
        "moves-before-it-looks",
        "The weights decay before the closure takes their gradient.",
        MovesBeforeItLooks,
        source="tensorflow/addons#2683",
    ),
    claims_nothing(
        "reads-its-updated-neighbour",
        "Every tensor is pulled towards the one before it, which has moved already.",
        ReadsItsUpdatedNeighbour,
        source="keras-team/keras#10769",
    ),
)
