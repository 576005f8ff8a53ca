"""A run that goes on with what its last step left behind: an object that adds gradients up, or a call that does.

Each step trains from the beginning of the run again, on all batches so far. So does the script of a case.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, final

import numpy as np

from gdprops.subjects.backprop.as_written.mini_batches import can_be_joined
from gdprops.subjects.backprop.as_written.observations import copies

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gdprops.model.arrays import Array
    from gdprops.subjects.backprop.as_written.reading import Reading


@final
@dataclass(slots=True)
class KeptRun:
    """The batches of a run so far, the parameters at its beginning, and those that its last step left.

    ``joins``: whether the batches are the mini-batches of one call; else they are those of several calls of one object.
    """

    reading: Reading
    joins: bool
    start: dict[str, Any] = field(default_factory=dict)
    batches: list[tuple[Array, Array]] = field(default_factory=list)
    left: dict[str, Any] = field(default_factory=dict)

    def clear(self) -> None:
        """Forget the run."""
        self.batches, self.left = [], {}

    def step(self, params: Mapping[str, Any], x: Array, y: Array, lr: float) -> dict[str, Any]:
        """Return the parameters after a step on from ``params``: the first of a run, where another run was kept."""
        self.start, self.batches = self._with(params, x, y)
        after = self._trained(copies(self.start), lr)
        self.left = copies(after)
        return after

    def script(self, params: Mapping[str, Any], x: Array, y: Array, rate: float) -> list[str]:
        """Return the lines that repeat the same step, and the steps before it, by hand."""
        start, batches = self._with(params, x, y)
        if self.joins:
            xs, ys = (np.concatenate(parts) for parts in zip(*batches, strict=True))
            lines = self.reading.script(start, xs, ys, rate)
            return [line.replace("len(X)", str(len(x))) for line in lines] if len(batches) > 1 else lines
        lines = self.reading.script(start, *batches[0], rate)
        for later in batches[1:]:
            lines += _calls(self.reading.script(start, *later, rate))
        return lines

    def _with(self, params: Mapping[str, Any], x: Array, y: Array) -> tuple[dict[str, Any], list[tuple[Array, Array]]]:
        """Return the beginning of the run with one batch more, and its batches."""
        goes_on = bool(self.batches) and all(np.array_equal(self.left[n], w) for n, w in params.items())
        batches = [*self.batches, (x, y)] if goes_on else [(x, y)]
        if self.joins and not can_be_joined(self.reading, batches):
            goes_on, batches = False, [(x, y)]
        return (self.start if goes_on else copies(params)), batches

    def _trained(self, start: dict[str, Any], lr: float) -> dict[str, Any]:
        if self.joins:
            assert self.reading.in_batches is not None
            return self.reading.in_batches(start, self.batches, lr)
        assert self.reading.again is not None
        return self.reading.again(start, self.batches, lr, False)


def _calls(script: Sequence[str]) -> list[str]:
    """Return the lines of a script that only train: its data, and what follows the line that made the object."""
    made = max(k for k, line in enumerate(script) if line.startswith("net.") and " = " in line.partition("(")[0])
    return [script[0], *script[made + 1 :]]
