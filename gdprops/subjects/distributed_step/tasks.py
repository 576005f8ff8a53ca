"""The model that a case asks of every rank: the drawn network, and what the case adds before its first layer."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, final

import torch
from torch import Tensor, nn

from gdprops.model.case import BRANCH, WITNESS
from gdprops.subjects.training_step.own.models import OwnTask
from gdprops.subjects.training_step.tasks import DrawnTask
from gdprops.subjects.user_code.calling import Calls

if TYPE_CHECKING:
    from gdprops.model.case import RanksCase
    from gdprops.model.subject import Calling
    from gdprops.subjects.training_step.own.models import OwnModels
    from gdprops.subjects.training_step.tasks import Task

DRAWN = 64
"""So many random bits a witness draws in every pass: that two ranks draw equal ones by chance is never seen."""


@final
class Branched(nn.Sequential):
    """Adds its parameter ``branch`` to the rows whose first input is positive; without such rows nothing uses it."""

    branch: nn.Parameter

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the outputs of a batch."""
        chosen = inputs[:, :1] > 0
        if chosen.any():
            inputs = torch.where(chosen, inputs + self.branch, inputs)
        for layer in self.children():
            inputs = layer(inputs)
        return inputs


@final
class Witness(nn.Module):
    """Hands on its inputs as they are; its buffers hold statistics of them, as those of a batch normalization do.

    In every pass it draws the mask of a dropout from torch's random numbers, and keeps it.
    """

    mean: Tensor
    total: Tensor

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(inputs, dtype=torch.float64))
        self.register_buffer("total", torch.zeros(inputs, dtype=torch.int64))
        self.masks = list[Tensor]()

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the inputs."""
        with torch.no_grad():
            self.mean.mul_(0.5).add_(inputs.mean(0) / 2)
            self.total.add_((inputs * 8).round().sum(0).long())
            self.masks.append(nn.functional.dropout(torch.ones(DRAWN), training=self.training) > 0)
        return inputs


def task_of(case: RanksCase, own: OwnModels | None = None, calls: Calling | None = None) -> Task:
    """Return what a case asks of a rank: a fresh model, a loss, and the batches."""
    if own is not None:
        return OwnTask(own, case.train, calls or Calls())
    inputs = case.train.batches[0].inputs.shape[1]
    adding: dict[str, Callable[[nn.Sequential], nn.Sequential]] = {
        "": lambda model: model,
        BRANCH: _branched,
        WITNESS: partial(_witnessed, inputs=inputs),
    }
    return DrawnTask(case.train, adding[case.added])


def masks_of(model: nn.Module) -> list[Tensor]:
    """Return the masks that a model has drawn since they were last asked for."""
    found = [witness.masks for witness in model.modules() if isinstance(witness, Witness)]
    drawn = [mask for masks in found for mask in masks]
    for masks in found:
        masks.clear()
    return drawn


def _branched(model: nn.Sequential) -> nn.Sequential:
    """Return the same layers and parameters, one of which is a branch."""
    return _with_parts(Branched(*[]), model)


def _witnessed(model: nn.Sequential, inputs: int) -> nn.Sequential:
    """Return the same layers and parameters behind a witness."""
    found = nn.Sequential()
    found.add_module(WITNESS, Witness(inputs))
    return _with_parts(found, model)


def _with_parts(found: nn.Sequential, model: nn.Sequential) -> nn.Sequential:
    for name, p in model.named_parameters(recurse=False):
        found.register_parameter(name, p)
    for name, layer in model.named_children():
        found.add_module(name, layer)
    return found
