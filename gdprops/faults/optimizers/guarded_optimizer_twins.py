"""Correct optimizers that guard, average or draw: what they do to the whole step is meant."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from gdprops.faults.fault import Twin
from gdprops.faults.optimizers.correct_optimizers import Group, Momentum, PlainDescent
from gdprops.faults.optimizers.optimizer_state_faults import GeneratorKeptOnSelf
from gdprops.subjects.torch_optimizer.subject import optimizer


class SkipsWhatOverflows(Momentum):
    """Takes no step at all where the norm of all gradients is not finite, as with a gradient scaler."""

    def move_all(self) -> None:
        grads = [p.grad for group in self.param_groups for p in group["params"] if p.grad is not None]
        if all(bool(torch.linalg.vector_norm(g).isfinite()) for g in grads):
            super().move_all()


class SignOfAnAverage(PlainDescent):
    """Moves by the sign of an average that starts at the first gradient (Bernstein and others, 2018)."""

    def direction(self, p: Tensor, g: Tensor) -> Tensor:
        memory = self.memory(p)
        memory["mean"] = 0.9375 * memory["mean"] + 0.0625 * g if "mean" in memory else g.clone()
        return torch.sign(memory["mean"])


class MovesAcrossItsWeights(PlainDescent):
    """Takes off what points along the weights (Heo and others, 2021), and decays: a lone weight only decays."""

    def direction(self, p: Tensor, g: Tensor) -> Tensor:
        length = torch.linalg.vector_norm(p)
        unit = p / length if length > 0 else torch.zeros_like(p)
        return g - unit * (unit * g).sum() + 0.125 * p


class TurnsFromItsLastGradient(PlainDescent):
    """Takes off what points along the last gradient, and decays: a lone weight answers to its first alone."""

    def direction(self, p: Tensor, g: Tensor) -> Tensor:
        memory = self.memory(p)
        last, memory["last"] = memory.get("last", torch.zeros_like(g)), g.clone()
        square = (last * last).sum()
        share = (last * g).sum() / square if square > 0 else torch.zeros_like(square)
        direction: Tensor = g - share * last + 0.125 * p
        return direction


class DecaysMatricesAlone(PlainDescent):
    """Leaves biases and norms, which are vectors, out of its decay."""

    def __init__(self, params: Iterable[Any], lr: float = 0.5, weight_decay: float = 0.0) -> None:
        super().__init__(params, lr, weight_decay=weight_decay)

    def move(self, p: Tensor, g: Tensor, group: Group) -> None:
        super().move(p, g + group["weight_decay"] * p if p.dim() == 2 else g, group)


class FixesItsDecayByGroup(PlainDescent):
    """Takes a group's decay from the rate that the group is added with, whatever a schedule makes of it later."""

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        super().add_param_group(param_group)
        self.param_groups[-1].setdefault("decay", 0.125 * self.param_groups[-1]["lr"])

    def move(self, p: Tensor, g: Tensor, group: Group) -> None:
        p.mul_(1 - group["decay"])
        super().move(p, g, group)


class HasASecondRate(PlainDescent):
    """Moves vectors at a learning rate of their own, and matrices at lr, as Muon beside Adam does."""

    def __init__(self, params: Iterable[Any], lr: float = 0.5, vector_lr: float = 0.25) -> None:
        super().__init__(params, lr, vector_lr=vector_lr)

    def move(self, p: Tensor, g: Tensor, group: Group) -> None:
        p.sub_(group["lr" if p.ndim > 1 else "vector_lr"] * g)


class NormalizesWithZeroStrength(PlainDescent):
    """Divides by a length that a strength of 0 leaves out: plain, until the length overflows."""

    def direction(self, p: Tensor, g: Tensor) -> Tensor:
        return g / torch.sqrt(1 + 0 * torch.linalg.vector_norm(g) ** 2)


class ClonesItsRate(PlainDescent):
    """Keeps a tensor of its own as every group's rate; a group that comes with a number only comes later."""

    def __init__(self, params: Iterable[Any], lr: float = 0.5) -> None:
        super().__init__(params, torch.tensor(lr, dtype=torch.float64))  # type: ignore[arg-type] # on purpose
        for group in self.param_groups:
            group["lr"] = group["lr"].clone()


class RoundsByChance(PlainDescent):
    """Rounds up or down by chance where parameters are bfloat16, and to the nearest elsewhere."""

    def move(self, p: Tensor, g: Tensor, group: Group) -> None:
        if p.dtype != torch.bfloat16:
            super().move(p, g, group)
            return
        exact = (p.float() - group["lr"] * g.float()).view(torch.int32)
        raised = exact + torch.randint_like(exact, 1 << 16)
        p.copy_((raised & -(1 << 16)).view(torch.float32))


class SavesItsGenerator(GeneratorKeptOnSelf):
    """Adds noise from a generator of its own, seeded by the constructor and saved with the state."""

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "generator": self.generator.get_state()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        saved = dict(state_dict)
        self.generator.set_state(saved.pop("generator"))
        super().load_state_dict(saved)


def _twin(name: str, kind: type[PlainDescent]) -> Twin:
    return Twin(name, subject=lambda: optimizer(kind, name=name, lr=0.5))


TWINS = (
    _twin("skips-what-overflows", SkipsWhatOverflows),
    _twin("sign-of-an-average", SignOfAnAverage),
    _twin("moves-across-its-weights", MovesAcrossItsWeights),
    _twin("turns-from-its-last-gradient", TurnsFromItsLastGradient),
    _twin("decays-matrices-alone", DecaysMatricesAlone),
    _twin("fixes-its-decay-by-group", FixesItsDecayByGroup),
    _twin("has-a-second-rate", HasASecondRate),
    _twin("normalizes-with-zero-strength", NormalizesWithZeroStrength),
    _twin("clones-its-rate", ClonesItsRate),
    _twin("rounds-by-chance", RoundsByChance),
    _twin("saves-its-generator", SavesItsGenerator),
)
