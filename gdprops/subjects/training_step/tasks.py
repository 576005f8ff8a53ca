"""What a case asks of a training step: a fresh model, a loss, and the batches of a short loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, final

import numpy as np
import torch
from torch import Tensor, nn

from gdprops.model.architecture import Architecture, ArchitectureCase
from gdprops.subjects.training_step.architecture_modules import architecture_module
from gdprops.subjects.training_step.network_modules import criterion, module_of

if TYPE_CHECKING:
    from gdprops.model.case import TrainCase

Objective = Callable[[nn.Module, Any, Any], Tensor]
ALL = slice(None)


class Data(NamedTuple):
    """The inputs and targets of one call of a step."""

    inputs: Any
    targets: Any


class Task(Protocol):
    """A model to train, the loss, and for every logical step what the user's step is called with."""

    def model(self, *, ours: bool = False) -> nn.Module:
        """Return a fresh model at the case's weights; in ``ours``, for gdprops' own passes, nothing is recomputed."""

    def handed(self, model: nn.Module) -> nn.Module:
        """Return one more of a fresh model that `model` has returned, for a second build."""

    def anew(self) -> nn.Module | None:
        """Return one more that shares nothing with any other; None where `handed` has returned such a one."""

    def fresh(self) -> nn.Module | None:
        """Return a model of ours to look at where ``build`` changes nothing; None where a copy must be made."""

    def criterion(self) -> Any:
        """Return what ``build`` is given beside the model: the loss or the objective."""

    def objective(self, model: nn.Module, data: Data) -> Tensor:
        """Return the loss J of a model on some data."""

    def calls(self, t: int) -> list[Data]:
        """Return what the step is called with in logical step t: one batch, or the micro-batches of a window."""

    def whole(self, t: int, rows: slice = ALL) -> Data:
        """Return all data of logical step t, or some of its rows."""

    def rows(self, t: int) -> int:
        """Return how many rows logical step t has."""

    @property
    def steps(self) -> int:
        """How many logical steps there are."""


@final
class DrawnTask:
    """The task of a network that gdprops has drawn. ``changed`` makes another model of a fresh network."""

    def __init__(
        self,
        case: TrainCase | ArchitectureCase,
        changed: Callable[[nn.Sequential], nn.Sequential] = lambda model: model,
    ) -> None:
        self._case, self._loss, self._changed = case, criterion(case.network.loss), changed

    def model(self, *, ours: bool = False) -> nn.Module:
        """Return a fresh model at the case's weights; in ``ours`` nothing is recomputed."""
        network, tensors = self._case.network, self._case.tensors
        if isinstance(network, Architecture):
            return architecture_module(network, tensors, recomputed=not ours)
        return self._changed(module_of(network, tensors, recomputed=not ours))

    def handed(self, model: nn.Module) -> nn.Module:
        """Return one more."""
        return self.model()

    def anew(self) -> None:
        """Return None: every one is made anew."""

    def fresh(self) -> nn.Module:
        """Return one of ours: nothing is recomputed in it."""
        return self.model(ours=True)

    def criterion(self) -> nn.Module:
        """Return a fresh loss function."""
        return criterion(self._case.network.loss)

    def objective(self, model: nn.Module, data: Data) -> Tensor:
        """Return the loss of the model's outputs."""
        loss: Tensor = self._loss(model(data.inputs), data.targets)
        return loss

    def calls(self, t: int) -> list[Data]:
        """Return batch t, or its micro-batches."""
        sizes = self._case.chunks[t] if self._case.chunks else (self.rows(t),)
        ends = np.cumsum(sizes)
        return [self.whole(t, slice(int(end - size), int(end))) for size, end in zip(sizes, ends, strict=True)]

    def whole(self, t: int, rows: slice = ALL) -> Data:
        """Return a copy of batch t, or of some of its rows."""
        batch = self._case.batches[t]
        return Data(torch.from_numpy(batch.inputs[rows].copy()), torch.from_numpy(batch.targets[rows].copy()))

    def rows(self, t: int) -> int:
        """Return how many rows batch t has."""
        return len(self._case.batches[t].inputs)

    @property
    def steps(self) -> int:
        """How many batches there are."""
        return len(self._case.batches)
