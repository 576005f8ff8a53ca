"""Correct optimizers that guard, average or draw: what they do to the whole step is meant."""

from __future__ import annotations

from typing import Any

import torch

from gdprops.adapters.torch_optimizer import optimizer
from gdprops.faults.correct import PlainDescent
from gdprops.faults.fault import Twin
from gdprops.faults.stateful import GeneratorKeptOnSelf


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


TWINS = (_twin("saves-its-generator", SavesItsGenerator),)
