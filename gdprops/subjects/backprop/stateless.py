"""The parts of the run protocol that a stateless NumPy step does not support."""

from __future__ import annotations

from typing import Any

from gdprops.errors import Unsupported
from gdprops.model.training_run import Noticed


class Stateless:
    """A run without an optimizer, a state, hyperparameters and modules."""

    names: tuple[str, ...]

    @property
    def held(self) -> tuple[bool, ...]:
        """Which parameters an optimizer holds: all, because there is no optimizer that could hold others."""
        return (True,) * len(self.names)

    def state(self) -> None:
        """Return None: plain gradient descent has no state."""

    def hyperparameters(self) -> None:
        """Return None: plain gradient descent has no hyperparameters beside the learning rate."""

    def adopt(self) -> None:
        """Do nothing: there is no state to keep."""

    @property
    def clip_norm(self) -> None:
        """The norm that gradients are clipped to: None, nothing is clipped."""

    @property
    def clip_value(self) -> None:
        """The bound that entries of gradients are clipped to: None, nothing is clipped."""

    @property
    def window(self) -> int:
        """The number of micro-batches in a window: 1, every batch is given at once."""
        return 1

    def torn(self, weights: Any, later: Any, t: int) -> Any:
        """Raise `Unsupported`: plain functions have no forward pass that an update could interrupt."""
        raise Unsupported("plain functions have no forward pass")

    @property
    def live(self) -> None:
        """What can be watched during a step: None, because plain arrays are not watched."""

    @property
    def is_anchored(self) -> bool:
        """Whether each step starts from what the user's step left: yes, it starts from the weights alone."""
        return True

    @property
    def groups(self) -> tuple[tuple[int, ...], ...]:
        """The parameter groups: none, because there is no optimizer."""
        return ()

    def noticed(self) -> Noticed:
        """Return nothing noticed: plain functions show nothing but the weights."""
        return Noticed()

    def clocks(self) -> tuple[tuple[str, float, float], ...]:
        """Return no parameters: plain gradient descent has no step counters."""
        return ()

    def dialect(self, weights: Any, t: int, state: Any, settings: Any) -> None:
        """Return None: plain gradient descent has only one form."""

    def clip(self, gradients: Any) -> list[Any]:
        """Return a copy of the list of gradients: nothing is clipped."""
        return list(gradients)
