"""The model that a case asks of every rank: the drawn network, and what the case adds before its first layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import torch
from torch import Tensor, nn

from gdprops.model.case import BRANCH
from gdprops.subjects.training_step.tasks import DrawnTask

if TYPE_CHECKING:
    from gdprops.model.case import RanksCase


@final
class Branched(nn.Sequential):
    """Adds its parameter ``branch`` to the rows whose first input is positive; without such rows nothing uses it."""

    branch: nn.Parameter

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the outputs of a batch."""
        chosen = inputs[:, :1] > 0
        if chosen.any():
            inputs = torch.where(chosen, inputs + self.branch, inputs)
        out: Tensor = super().forward(inputs)
        return out


def task_of(case: RanksCase) -> DrawnTask:
    """Return what a case asks of a rank: a fresh model, a loss, and the batches."""
    return DrawnTask(case.train, _branched if case.added == BRANCH else lambda model: model)


def _branched(model: nn.Sequential) -> nn.Sequential:
    """Return the same layers and parameters, one of which is a branch."""
    found = Branched(*[])
    for name, p in model.named_parameters(recurse=False):
        found.register_parameter(name, p)
    for name, layer in model.named_children():
        found.add_module(name, layer)
    return found
