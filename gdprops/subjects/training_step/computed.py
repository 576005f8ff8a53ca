"""What gdprops computes of a run beside the user's step: gradients, losses and the expected update U(w, g, s)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import torch

from gdprops.subjects.training_step.counted_windows import CountedTask
from gdprops.subjects.training_step.looks import Looks
from gdprops.subjects.training_step.tasks import Data

if TYPE_CHECKING:
    from torch import Tensor

    from gdprops.model.arrays import Array
    from gdprops.subjects.training_step.declaration import Declaration
    from gdprops.subjects.training_step.expected_update import Expected, SecondLook
    from gdprops.subjects.training_step.tasks import Task


class Computed:
    """The half of a run that needs none of the user's code but the loss; it is computed on gdprops' own model."""

    def __init__(self, declared: Declaration, task: Task, expected: Expected) -> None:
        self._declared, self._task, self._expected = declared, task, expected

    def gradients(
        self, weights: Sequence[Array], t: int, *, rows: slice = slice(None), shaken: bool = False, clipped: bool = True
    ) -> list[Array | None]:
        """Return the gradients that gdprops computes for batch t, or for some of its rows.

        ``shaken`` moves the inputs by one ulp; ``clipped`` clips the gradients as declared.
        """
        found = self._expected.gradients(weights, t, rows=rows, shaken=shaken)
        return self._expected.clipped(found) if clipped else found

    def gradients_unfrozen(self, weights: Sequence[Array], t: int) -> list[Array | None]:
        """Return our own gradients of batch t as they would be if nothing were frozen."""
        return self._expected.gradients_unfrozen(weights, t)

    def look(self, weights: Sequence[Array], t: int) -> tuple[float, list[Array | None]]:
        """Return the loss of batch t and gdprops' gradients of it, from one forward pass."""
        found = self.gradients(weights, t)
        return self._expected.value, found

    def rows(self, t: int) -> int:
        """Return how many rows logical step t is given."""
        return self._task.rows(t)

    def loss(self, weights: Iterable[Array], t: int) -> float:
        """Return the loss of batch t at these weights, on gdprops' own model."""
        return self._expected.loss(weights, t)

    def allowed(self, weights: Sequence[Array], t: int) -> None:
        """Return None: noise floors must be measured, because the model's operations are not known."""

    def dialect(self, weights: Sequence[Array], t: int, state: Any, settings: Any) -> list[Array] | None:
        """Return the update with the other legitimate form of clipping, by C / N instead of C / (N + 1e-6)."""
        if self._declared.clip_norm is None:
            return None
        other = self._expected.clipped_without_guard(self.gradients(weights, t, clipped=False))
        return None if other is None else self._expected.update(weights, other, state, settings)

    def clip(self, gradients: Sequence[Array | None]) -> list[Array | None]:
        """Return the gradients, clipped as declared."""
        return self._expected.clipped(list(gradients))

    @property
    def clip_norm(self) -> float | None:
        """The global norm that the training step declares to clip gradients to, or None."""
        return self._declared.clip_norm

    @property
    def clip_value(self) -> float | None:
        """The bound that the training step declares to clip every entry of the gradients to, or None."""
        return self._declared.clip_value

    @property
    def window(self) -> int:
        """The declared number of micro-batches in a whole window."""
        return self._declared.accumulate

    def torn(self, weights: Sequence[Array], later: Sequence[Array], t: int) -> list[Array | None]:
        """Return gradients whose forward pass saw ``weights`` and whose backward pass saw the ``later`` weights."""
        return self._expected.gradients(weights, t, later=later)

    def gradients_of(
        self, weights: Sequence[Array], inputs: Array, targets: Array, change: Callable[[Tensor], Tensor]
    ) -> list[Array | None]:
        """Return our gradients of such data, where the model's outputs are changed before the loss; not clipped."""
        data = Data(torch.from_numpy(inputs.copy()), torch.from_numpy(targets.copy()))
        return self._expected.gradients_of(weights, data, change)

    def data(self, t: int) -> Data:
        """Return everything that logical step t is given."""
        return self._task.whole(t)

    def counts(self, t: int) -> tuple[float, ...] | None:
        """Return what each micro-batch of logical step t counts in its window; None where that is not declared."""
        return self._task.counts(t) if isinstance(self._task, CountedTask) else None

    @property
    def batches(self) -> int:
        """How many logical steps there are."""
        return self._task.steps

    @property
    def is_anchored(self) -> bool:
        """Whether U starts from the user's optimizer's state, or has none; a declared rule keeps its own state."""
        return not self._expected.is_declared

    @property
    def looks_again(self) -> bool:
        """Whether U itself looks at other weights, at the batch at which gradients were taken last."""
        return self._expected.by_closure or self._expected.looks.are_several or bool(self._expected.looks.ways)

    def recall(self, t: int) -> None:
        """Compute from now on what the user's step has met at batch t: an explanation returns to earlier steps."""
        self._expected.recall(t)

    def advance(
        self, weights: Sequence[Array], gradients: Sequence[Array | None], state: Any, settings: Any
    ) -> tuple[list[Array], Any]:
        """Return U(w, g, s) and the optimizer state after it."""
        return self._expected.update(weights, gradients, state, settings), self._expected.snapshot()

    def update(
        self, weights: Sequence[Array], gradients: Sequence[Array | None], state: Any, settings: Any = None
    ) -> list[Array]:
        """Return the weights after the expected update, U(w, g, s)."""
        return self._expected.update(weights, gradients, state, settings)

    def single_update(
        self, weights: Sequence[Array], gradients: Sequence[Array | None], state: Any, settings: Any = None
    ) -> tuple[list[Array], Any]:
        """Return the weights and the state after an update that looks once, where ``looks=`` declares two."""
        held, self._expected.looks = self._expected.looks, Looks()
        try:
            return self.advance(weights, gradients, state, settings)
        finally:
            self._expected.looks = held

    def passing_update(
        self, weights: Sequence[Array], gradients: Sequence[Array | None], state: Any, settings: Any
    ) -> list[Array]:
        """Return U(w, g, s) without copying it: the next gradient evaluation or update overwrites these arrays."""
        return self._expected.passing_update(weights, gradients, state, settings)

    def update_by_looks(
        self, weights: Sequence[Array], gradients: Sequence[Array | None], state: Any, settings: Any, second: SecondLook
    ) -> list[Array] | None:
        """Return the update where a later look hands over what ``second`` makes of the look before and of itself.

        None for an optimizer that looks once.
        """
        return self._expected.update_by_looks(weights, gradients, state, settings, second)
