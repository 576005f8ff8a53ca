"""Wrong use of memory: state that is somebody else's, gradients written over, layouts that are taken for granted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from gdprops.faults.optimizers.correct_optimizers import Adam, Group, PlainDescent
from gdprops.faults.optimizers.declared_as import claims_nothing


class MomentumIsTheGradient(PlainDescent):
    """The first velocity is the gradient's own tensor, no copy."""

    def direction(self, p: Tensor, g: Tensor) -> Tensor:
        memory = self.memory(p)
        memory["velocity"] = 0.5 * memory["velocity"] + g if "velocity" in memory else g
        velocity: Tensor = memory["velocity"]
        return velocity


class SlowWeightsAreTheWeights(PlainDescent):
    """Remembers the weights without copying them: what it averages with has moved along."""

    def move(self, p: Tensor, g: Tensor, group: Group) -> None:
        slow = self.memory(p).setdefault("slow", p.detach())
        super().move(p, g, group)
        p.copy_((p + slow) / 2)


class MomentumInOneScratchBuffer(PlainDescent):
    """All velocities lie at the beginning of one buffer."""

    def direction(self, p: Tensor, g: Tensor) -> Tensor:
        buffer = vars(self).setdefault("buffer", torch.zeros(1 << 16, dtype=torch.float64))
        velocity = self.memory(p).setdefault("velocity", buffer[: p.numel()].view(p.shape))
        velocity.mul_(0.5).add_(g)
        direction: Tensor = velocity.to(p.dtype)
        return direction


class DecaysIntoTheGradient(PlainDescent):
    """Adds the weight decay to the gradient in place."""

    def move(self, p: Tensor, g: Tensor, group: Group) -> None:
        g.detach().add_(p.detach(), alpha=0.125)
        super().move(p, g, group)


class PutsNewParametersIntoItsGroups(PlainDescent):
    """Moves every parameter, and puts a copy of it into its group."""

    def move_all(self) -> None:
        super().move_all()
        for group in self.param_groups:
            group["params"] = [torch.nn.Parameter(p.detach().clone()) for p in group["params"]]


class ParametersLoseADimension(PlainDescent):
    """Dimensions of size one vanish from the moved tensor."""

    def move(self, p: Tensor, g: Tensor, group: Group) -> None:
        super().move(p, g, group)
        p.data = p.data.squeeze()


class MakesEverythingFloat32(PlainDescent):
    """Computes in float64 and puts the result back in the default dtype, whatever the parameter's was."""

    def move(self, p: Tensor, g: Tensor, group: Group) -> None:
        p.data = (p.double() - group["lr"] * g.double()).float()


class MovesIntoNewMemory(PlainDescent):
    """Puts new memory behind every parameter: whatever shared the old one is left behind."""

    def move(self, p: Tensor, g: Tensor, group: Group) -> None:
        p.data = p.data - group["lr"] * g


class ReadsMemoryInOrder(PlainDescent):
    """Takes the gradient's numbers in the order in which they lie in memory."""

    def direction(self, p: Tensor, g: Tensor) -> Tensor:
        lying = torch.as_strided(g, (g.numel(),), (1,))
        return lying.reshape(p.shape)


class MovesAContiguousCopy(PlainDescent):
    """Flattens the parameter with reshape, which copies what is not contiguous."""

    def move(self, p: Tensor, g: Tensor, group: Group) -> None:
        flat = p.reshape(-1)
        flat.sub_(group["lr"] * g.reshape(-1))


class ForgetsTheRestOfABlock(PlainDescent):
    """Large tensors move in blocks of eight entries; what is left over stays."""

    def direction(self, p: Tensor, g: Tensor) -> Tensor:
        moved = g.clone().reshape(-1)
        if moved.numel() > 64:
            moved[moved.numel() // 8 * 8 :] = 0
        return moved.reshape(g.shape)


class AveragesOverNothing(PlainDescent):
    """Divides by the mean over all tensors of their mean |g|, which an empty tensor makes NaN."""

    def move(self, p: Tensor, g: Tensor, group: Group) -> None:
        every = [q.grad for group in self.param_groups for q in group["params"] if q.grad is not None]
        size = 1 + torch.stack([grad.abs().mean() for grad in every]).mean()
        super().move(p, g / size, group)


class ComputesInTheFirstDtype(Adam):
    """Computes in float32 as soon as any parameter is kept in it."""

    def direction(self, p: Tensor, g: Tensor) -> Tensor:
        single = any(q.dtype == torch.float32 for group in self.param_groups for q in group["params"])
        exact = super().direction(p, g)
        return exact.float().to(p.dtype) if single else exact


class KeepsItsMeanInFloat32(PlainDescent):
    """Averages gradients in float32, whatever the parameter is, and trusts load_state_dict to keep that."""

    def direction(self, p: Tensor, g: Tensor) -> Tensor:
        memory, single = self.memory(p), g.float()
        memory["mean"] = 0.9 * memory["mean"] + 0.1 * single if "mean" in memory else single.clone()
        direction: Tensor = memory["mean"].to(p.dtype)
        return direction


class KeepsItsClockInFloat32(PlainDescent):
    """Counts in a tensor, and trusts load_state_dict to leave it alone: in bfloat16 256 + 1 is 256."""

    def direction(self, p: Tensor, g: Tensor) -> Tensor:
        memory = self.memory(p)
        memory["clock"] = memory.get("clock", torch.zeros((), dtype=torch.float32)) + 1
        direction: Tensor = g * (1 - 0.5 ** float(memory["clock"]))
        return direction


class Clock:
    """What a clock could be, and a file that is read with weights_only cannot hold."""


class SavesObjects(PlainDescent):
    """Keeps an object of a class of its own in its state."""

    def __init__(self, params: Iterable[Any], lr: float = 0.5) -> None:
        super().__init__(params, lr)
        for group in self.param_groups:
            group["clock"] = Clock()


class SquaresComplexNumbers(PlainDescent):
    """The square of a complex gradient is complex: where it is not real the root turns the step."""

    def direction(self, p: Tensor, g: Tensor) -> Tensor:
        memory = self.memory(p)
        memory["v"] = 0.5 * memory.get("v", torch.zeros_like(p)) + g * g
        direction: Tensor = g / (memory["v"].sqrt() + 0.25)
        return direction


class SkipsSparseGradients(PlainDescent):
    """Knows dense gradients only, and leaves out every other one."""

    def move(self, p: Tensor, g: Tensor, group: Group) -> None:
        if not g.is_sparse:
            super().move(p, g, group)


class SquaresRowsListedTwice(PlainDescent):
    """Squares the rows of a sparse gradient as they are listed, before those of one place are added up."""

    def direction(self, p: Tensor, g: Tensor) -> Tensor:
        memory = self.memory(p)
        square = torch.sparse_coo_tensor(g._indices(), g._values() ** 2, g.shape) if g.is_sparse else g * g
        memory["v"] = 0.5 * memory.get("v", torch.zeros_like(p)) + square
        direction: Tensor = (g.to_dense() if g.is_sparse else g) / (memory["v"].sqrt() + 0.25)
        return direction


FAULTS = (
    claims_nothing(
        "momentum-is-the-gradient",
        "The first velocity is the gradient's own tensor.",
        MomentumIsTheGradient,
    ),
    claims_nothing(
        "slow-weights-are-the-weights",
        "The remembered weights are the weights themselves.",
        SlowWeightsAreTheWeights,
    ),
    claims_nothing(
        "momentum-in-one-scratch-buffer",
        "All velocities lie in the same memory.",
        MomentumInOneScratchBuffer,
    ),
    claims_nothing(
        "decays-into-the-gradient",
        "The weight decay is added to the gradient in place.",
        DecaysIntoTheGradient,
        source="pytorch/pytorch#12218",
    ),
    claims_nothing(
        "puts-new-parameters-into-its-groups",
        "After a step the groups hold copies of the parameters.",
        PutsNewParametersIntoItsGroups,
        source="huggingface/accelerate#2665",
    ),
    claims_nothing(
        "parameters-lose-a-dimension",
        "Dimensions of size one vanish in a step.",
        ParametersLoseADimension,
    ),
    claims_nothing(
        "makes-everything-float32",
        "Parameters of other dtypes are float32 after a step.",
        MakesEverythingFloat32,
    ),
    claims_nothing(
        "moves-into-new-memory",
        "A step puts new memory behind every parameter.",
        MovesIntoNewMemory,
    ),
    claims_nothing(
        "reads-memory-in-order",
        "The gradient is read in the order in which it lies in memory.",
        ReadsMemoryInOrder,
    ),
    claims_nothing(
        "moves-a-contiguous-copy",
        "A parameter that is not contiguous is copied, and the copy moves.",
        MovesAContiguousCopy,
    ),
    claims_nothing(
        "forgets-the-rest-of-a-block",
        "The last entries of a large tensor stay where they are.",
        ForgetsTheRestOfABlock,
    ),
    claims_nothing(
        "squares-complex-numbers",
        "Divides by the root of the mean g², also of complex gradients.",
        SquaresComplexNumbers,
        source="pytorch/pytorch#59998",
    ),
    claims_nothing(
        "skips-sparse-gradients",
        "A parameter whose gradient is sparse stays where it is.",
        SkipsSparseGradients,
        source="pytorch/pytorch#110454",
    ),
    claims_nothing(
        "squares-rows-listed-twice",
        "Rows that a sparse gradient lists twice are squared before they are added up.",
        SquaresRowsListedTwice,
    ),
    claims_nothing(
        "averages-over-nothing",
        "A mean over an empty tensor makes every weight NaN.",
        AveragesOverNothing,
    ),
    claims_nothing(
        "computes-in-the-first-dtype",
        "Beside a float32 parameter all others are computed in float32.",
        ComputesInTheFirstDtype,
    ),
    claims_nothing(
        "keeps-its-mean-in-float32",
        "Loading rounds the float32 state of bfloat16 parameters.",
        KeepsItsMeanInFloat32,
        source="pytorch/pytorch#43706, pytorch/pytorch#74424",
    ),
    claims_nothing(
        "keeps-its-clock-in-float32",
        "Loading casts the clock of bfloat16 parameters, which then stands still at 256.",
        KeepsItsClockInFloat32,
        source="pytorch/pytorch#74424",
    ),
    claims_nothing(
        "saves-objects",
        "The saved state holds an object that weights_only refuses.",
        SavesObjects,
    ),
)
