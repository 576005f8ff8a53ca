"""A window whose micro-batches count differently: losses per token (``counts=``).

The user's loss is a mean over what counts, such as the tokens that are no padding. Then the loss of a window is not
that of a joined batch, and no mean of means: J = sum of c_m J(B_m) over the micro-batches B_m, divided by the sum of
the c_m, so that its gradient is the same mean of the gradients. With 3 tokens in one row and 1 in the other the first
row counts three times as much.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, final

from gdprops.errors import Unsupported, UsageError
from gdprops.model.wording import type_of
from gdprops.subjects.training_step.structures import copied, number_in, rows_in, rows_of
from gdprops.subjects.training_step.tasks import ALL, Data

if TYPE_CHECKING:
    from torch import Tensor, nn

    from gdprops.model.subject import Calling
    from gdprops.subjects.training_step.tasks import Task

Counts = Callable[[Any, Any], Any]
NOTHING_COUNTS = "nothing counts in a window: the sum of counts= over its micro-batches is 0"


@final
class Separate(tuple[Any, ...]):
    """The inputs of several micro-batches, or their targets and counts, which are never joined."""


@final
class CountedTask:
    """A task whose windows are means over what their micro-batches count."""

    def __init__(self, task: Task, counts: Counts, calls: Calling) -> None:
        self._task, self._counts, self._calls = task, counts, calls
        self.model, self.handed, self.anew, self.fresh = task.model, task.handed, task.anew, task.fresh
        self.criterion, self.calls, self.rows = task.criterion, task.calls, task.rows

    @property
    def steps(self) -> int:
        """How many logical steps there are."""
        return self._task.steps

    def whole(self, t: int, rows: slice = ALL) -> Data:
        """Return the micro-batches of logical step t, or those parts of them that some rows of the window are."""
        parts = [Data(*copied(tuple(part))) for part in self._parts(t, rows)]
        counted = [(part.targets, self.count(part)) for part in parts]
        return Data(Separate(part.inputs for part in parts), Separate(counted))

    def _parts(self, t: int, rows: slice) -> Iterable[Data]:
        first, last, _ = rows.indices(self.rows(t))
        start = 0
        for data in self.calls(t):
            count = rows_in(tuple(data))
            low, high = max(first - start, 0), min(last - start, count)
            if low < high:
                yield data if (low, high) == (0, count) else Data(*rows_of(tuple(data), slice(low, high)))
            start += count

    def counts(self, t: int) -> tuple[float, ...]:
        """Return what each micro-batch of logical step t counts."""
        return tuple(self.count(data) for data in self.calls(t))

    def count(self, data: Data) -> float:
        """Return what a micro-batch counts. Raises `UsageError` where that is no number of at least 0."""
        with self._calls.to("counts(inputs, targets)"):
            found = self._counts(*data)
        one = number_in(found)
        if one is None or not (math.isfinite(one) and one >= 0):
            said = type_of(found) if one is None else f"{one:g}"
            raise UsageError(f"counts(inputs, targets) returned {said}; expected a finite number of at least 0")
        return one

    def objective(self, model: nn.Module, data: Data) -> Tensor:
        """Return the loss J: of a window the mean over what its micro-batches count, of other data as it is."""
        if not isinstance(data.inputs, Separate):
            return self._task.objective(model, data)
        parts = [(Data(x, y), c) for x, (y, c) in zip(data.inputs, data.targets, strict=True)]
        if len(parts) == 1 and parts[0][1] > 0:
            return self._task.objective(model, parts[0][0])
        total = sum(c for _, c in parts)
        if total == 0:
            raise Unsupported(NOTHING_COUNTS)
        losses = [c / total * self._task.objective(model, part) for part, c in parts if c > 0]
        window: Tensor = sum(losses[1:], losses[0])
        return window
