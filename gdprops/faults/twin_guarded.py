"""Correct optimizers that guard, average or draw: what they do to the whole step is meant."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gdprops.adapters.torch_optimizer import optimizer
from gdprops.faults.correct import Momentum, PlainDescent
from gdprops.faults.fault import Twin
from gdprops.faults.stateful import GeneratorKeptOnSelf


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
    _twin("saves-its-generator", SavesItsGenerator),
)
