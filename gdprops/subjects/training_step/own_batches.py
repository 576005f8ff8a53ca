"""Steps that draw their batches themselves: ``xb, yb = next(loader)`` inside the step, whatever it is handed.

The batch that gdprops hands over says nothing of such a step. Where the step calls the loss or the objective that
``build`` was given, the batch that it has really looked at is known, and the expected update is that of this batch.
Where it is not known, a step that does not move by the handed batch is not decided.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any, NamedTuple, final

import torch
from torch import Tensor, nn

from gdprops.subjects.training_step.batch_origins import Origins
from gdprops.subjects.training_step.op_arguments import unwatched
from gdprops.subjects.training_step.structures import copied, joined, rows_in, rows_of, tensors_in
from gdprops.subjects.training_step.tasks import ALL, Data

if TYPE_CHECKING:
    from gdprops.subjects.training_step.forward_passes import Pass
    from gdprops.subjects.training_step.tasks import Task

ELSEWHERE = (
    "the step draws its batches itself: what its model is given does not come from the batch that "
    "step(inputs, targets) is handed; let it train on its arguments, or compute its loss with the loss that build is "
    "given"
)


class _Given(NamedTuple):
    """What a forward pass was given: whether it may come from the handed batch, and a copy of it as inputs."""

    of_batch: bool
    inputs: Any


@final
class OwnBatches:
    """Watches one run: from which batch the model's forward passes come, and which one the loss was computed of."""

    def __init__(self, task: Task) -> None:
        self._task = task if isinstance(task, SeenTask) else None
        self.origins = Origins()
        self.elsewhere = False
        """Whether the last step has looked at batches of its own that are not known."""
        self.are_its_own = False
        """Whether the last step has looked at batches of its own."""
        self._known = list[Data | None]()

    def begin(self) -> None:
        """Begin a logical step."""
        self._known.clear()
        self.elsewhere = self.are_its_own = False

    @contextmanager
    def watching(self, data: Data) -> Iterator[None]:
        """Follow the batch that one call is handed."""
        if self._task is not None:
            self._task.heard.clear()
        self.origins.hand(data)
        with self.origins.following():
            yield

    def notes(self, args: Any, kwargs: Any) -> _Given | None:
        """Return what is to be known of what a forward pass is given; None where it is given no tensor."""
        given = (*args, *kwargs.values())
        if next(tensors_in(given), None) is None:
            return None
        if self.origins.are_in(given):
            if self._task is None:
                self.origins.give_up()  # the trial has seen what it is to see
            return _Given(of_batch=True, inputs=None)
        with unwatched():
            held = copied((args, kwargs))
        return _Given(of_batch=False, inputs=_as_inputs(*held))

    def called(self, passes: Sequence[Pass]) -> None:
        """Note what the differentiated passes of one call were given."""
        noted = [one.noted for one in passes]
        of_batch = not noted or any(one is None or one.of_batch for one in noted)
        if of_batch or (self._task is not None and self._task.hears_of(self.origins)):
            self._known.append(None)
            return
        self.are_its_own = True
        inputs = noted[0].inputs if len(noted) == 1 else None
        self._known.append(None if self._task is None else self._task.of_call(inputs))

    def end(self, t: int) -> None:
        """Let the batch of logical step t be the one that the step has looked at, where it is known."""
        if not self.are_its_own:
            return
        known = [data for data in self._known if data is not None]
        self.elsewhere = len(known) < len(self._known)
        if self._task is not None and not self.elsewhere:
            self._task.saw(t, known)


def _as_inputs(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Return the inputs with which a declared loss calls the model like this, None where there are none."""
    if args and kwargs:
        return None
    return kwargs or (args[0] if len(args) == 1 else args)


@final
class SeenTask:
    """A task whose batches are those that the step has looked at, once it has.

    The step is still handed the batches of the task. ``heard`` is what each call of the loss, or of the objective, was
    given since the call of the step began.
    """

    def __init__(self, task: Task, *, to_objective: bool) -> None:
        self._task, self._to_objective, self._seen = task, to_objective, dict[int, Data]()
        self.model, self.handed, self.anew, self.fresh = task.model, task.handed, task.anew, task.fresh
        self.objective, self.calls = task.objective, task.calls
        self.heard = list[tuple[Any, ...]]()

    @property
    def steps(self) -> int:
        """How many logical steps there are."""
        return self._task.steps

    def criterion(self) -> Any:
        """Return what ``build`` is given: the loss or objective of the task, whose calls are heard."""
        found = self._task.criterion()
        if isinstance(found, nn.Module):
            found.register_forward_pre_hook(lambda _, args: self._hear(args))
            return found

        @wraps(found)
        def listening(*args: Any, **kwargs: Any) -> Tensor:
            self._hear((*args, *kwargs.values()))
            loss: Tensor = found(*args, **kwargs)
            return loss

        return listening

    def _hear(self, args: tuple[Any, ...]) -> None:
        if torch.is_grad_enabled():
            self.heard.append(args)

    def hears_of(self, origins: Origins) -> bool:
        """Say whether the loss was given anything of a batch that was handed over, such as its targets."""
        return any(origins.are_in(given[1:]) for given in self.heard)

    def of_call(self, inputs: Any) -> Data | None:
        """Return the batch that one call has computed its loss of, None where it is not known.

        ``inputs``: what its only forward pass was given.
        """
        if len(self.heard) != 1:
            return None
        (given,) = self.heard
        own = given[1:] if self._to_objective else (inputs, *given[1:])
        if len(own) != 2 or own[0] is None:
            return None
        with unwatched():
            return Data(*copied(tuple(own)))

    def saw(self, t: int, several: Sequence[Data]) -> None:
        """Let logical step t have these batches from now on."""
        self._seen[t] = Data(*joined([tuple(data) for data in several]))

    def whole(self, t: int, rows: slice = ALL) -> Data:
        """Return copies of all data of logical step t, or of some of its rows."""
        if t not in self._seen:
            return self._task.whole(t, rows)
        data = Data(*copied(tuple(self._seen[t])))
        return data if rows == ALL else Data(*rows_of(tuple(data), rows))

    def rows(self, t: int) -> int:
        """Return how many rows logical step t has."""
        return rows_in(tuple(self._seen[t])) if t in self._seen else self._task.rows(t)
