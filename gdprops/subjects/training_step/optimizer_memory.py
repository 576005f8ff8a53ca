"""The state from which U starts at a step: that of the user's optimizer, unless it never keeps anything.

An optimizer that is made anew at every step, or whose state is cleared, has no momentum. Its state should persist, so U
goes on from the state that U itself has left. An optimizer that has kept a state once, and later starts anew, does so
by the user's choice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, final

from gdprops.subjects.torch_optimizer.state import fingerprint, snapshot

if TYPE_CHECKING:
    import torch


@final
class OptimizerMemory:
    """What the user's optimizer keeps from one step for the next."""

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self._optimizer, self._at_first, self._remembers = optimizer, fingerprint(optimizer), False

    def state(self, adopted: Any, *, taken: int) -> Any:
        """Return a copy of the state from which U starts, after ``taken`` steps; ``adopted`` is what U has left."""
        found = snapshot(self._optimizer)
        if adopted is not None and self.begins_anew(taken=taken):
            return adopted[0], found[1]
        self._remembers = self._remembers or taken > 0
        return found

    def begins_anew(self, *, taken: int) -> bool:
        """Say whether the optimizer has never yet kept anything from one step for the next."""
        untouched = fingerprint(self._optimizer) in ((), self._at_first)
        return untouched and taken > 0 and not self._remembers
