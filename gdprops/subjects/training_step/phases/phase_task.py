"""The task of one phase: the model and batches of the run, and as the loss the objective of the phase."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, final

import torch

from gdprops.subjects.training_step.phases.random_draws import Dealer, Draw
from gdprops.subjects.training_step.structures import mapped
from gdprops.subjects.training_step.tasks import ALL, Data

if TYPE_CHECKING:
    from collections import Counter

    from torch import Tensor, nn

    from gdprops.model.subject import Calling
    from gdprops.subjects.training_step.phase_declaration import Phase
    from gdprops.subjects.training_step.phases.random_draws import Key
    from gdprops.subjects.training_step.tasks import Task


@final
class PhaseTask:
    """A task whose loss is the objective of the phase that is looked at; the run says which that is."""

    def __init__(self, task: Task, calls: Calling) -> None:
        self._task, self._calls = task, calls
        self.model, self.handed, self.anew, self.fresh = task.model, task.handed, task.anew, task.fresh
        self.criterion, self.calls, self.rows = task.criterion, task.calls, task.rows
        self._phase: Phase | None = None
        self._k, self._draws = 0, list[Draw]()
        self._is_empty = False
        self.fits = True
        """Whether the last evaluation could be dealt all random numbers that it asked for."""
        self.wanted: Counter[Key] | None = None
        """How many numbers of each kind and shape the last evaluation asked for."""

    @property
    def steps(self) -> int:
        """How many logical steps there are."""
        return self._task.steps

    def whole(self, t: int, rows: slice = ALL) -> Data:
        """Return a copy of batch t, or of some of its rows."""
        data = self._task.whole(t, rows)
        return Data(*mapped(torch.zeros_like, tuple(data))) if self._is_empty else data

    @contextmanager
    def emptied(self) -> Iterator[None]:
        """Let all batches be zeros for a while."""
        self._is_empty = True
        try:
            yield
        finally:
            self._is_empty = False

    def looks_at(self, phase: Phase, k: int, draws: Sequence[Draw]) -> None:
        """Let the loss be that of step k of a phase from now on, and deal it these random numbers."""
        self._phase, self._k, self._draws = phase, k, list(draws)

    def objective(self, model: nn.Module, data: Data) -> Tensor:
        """Return the objective of the phase."""
        phase: Any = self._phase
        with self._calls.to(f"the objective of {phase.optimizer}"), Dealer(self._draws) as dealer:
            loss: Tensor = phase.loss(model, data.inputs, data.targets, self._k)
        self.fits, self.wanted = dealer.fits, dealer.wanted
        return loss
