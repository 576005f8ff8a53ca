"""What plain gradient descent over plain arrays has none of."""

from __future__ import annotations

from typing import Any

from gdprops.errors import Unsupported
from gdprops.model.training_run import Noticed


class Stateless:
    """A run without an optimizer, a state, hyperparameters and modules."""

    names: tuple[str, ...]

    @property
    def held(self) -> tuple[bool, ...]:
        """There is no optimizer that could hold another model."""
        return (True,) * len(self.names)

    def state(self) -> None:
        """Plain gradient descent has no state."""

    def hyperparameters(self) -> None:
        """Nor hyperparameters beside the rate."""

    def adopt(self) -> None:
        """Nor anything to keep."""

    @property
    def clip_norm(self) -> None:
        """Nothing is declared to be clipped."""

    @property
    def window(self) -> int:
        """Every batch is given at once."""
        return 1

    def torn(self, weights: Any, later: Any, t: int) -> Any:
        """Plain functions have no forward pass to come between."""
        raise Unsupported("plain functions have no forward pass")

    @property
    def live(self) -> None:
        """Arrays are not watched: their writes are put off instead."""

    @property
    def is_anchored(self) -> bool:
        """Without a state every step starts from the weights alone."""
        return True

    def noticed(self) -> Noticed:
        """Return nothing: plain functions show nothing beside the weights."""
        return Noticed()

    def clocks(self) -> tuple[tuple[str, float, float], ...]:
        """Return nothing: plain gradient descent has no clocks."""
        return ()

    def dialect(self, weights: Any, gradients: Any, state: Any, settings: Any) -> None:
        """Return None: plain gradient descent has one dialect."""

    def clip(self, gradients: Any) -> list[Any]:
        """Return the gradients as they are: nothing is clipped."""
        return list(gradients)
