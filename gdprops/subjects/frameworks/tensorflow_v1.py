"""``tf.compat.v1.train`` optimizers, run eagerly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, final

import numpy as np

RATE = "learning_rate"


@final
class LiveV1:
    """One optimizer of TensorFlow 1 over its own variables. Its learning rate is a callable, which may change."""

    def __init__(self, factory: Any, weights: Sequence[Any], given: Mapping[str, Any]) -> None:
        import tensorflow as tf

        self._rate = float(given[RATE])
        self.optimizer = factory(**{**given, RATE: lambda: self._rate})
        self.variables = [tf.Variable(w) for w in weights]

    def place(self, weights: Sequence[Any], rate: float) -> None:
        """Overwrite the variables and the learning rate."""
        self._rate = rate
        for variable, w in zip(self.variables, weights, strict=True):
            variable.assign(w)

    def apply(self, gradients: Sequence[Any]) -> None:
        """Take one step; None stands for a missing gradient."""
        import tensorflow as tf

        tensors = [None if g is None else tf.constant(g) for g in gradients]
        self.optimizer.apply_gradients(zip(tensors, self.variables, strict=True))

    def weights(self) -> list[Any]:
        """Return copies of the variables."""
        return [np.array(v.numpy()) for v in self.variables]

    def remember(self, other: LiveV1) -> None:
        """Copy another optimizer's slots and counters into this one.

        A step with gradients of zeros creates them here; then they are overwritten.
        """
        held = self.weights()
        self.apply([np.zeros_like(w) for w in held])
        self.place(held, other._rate)
        for mine, theirs in zip(self._own(), other._own(), strict=True):
            mine.assign(theirs)

    def _own(self) -> list[Any]:
        """Return the optimizer's slots, variable by variable, and then its counters by name."""
        names = self.optimizer.get_slot_names()
        slots = [self.optimizer.get_slot(v, n) for v in self.variables for n in names]
        found = [slot for slot in slots if slot is not None]
        others = [v for v in self.optimizer.variables() if not any(v is slot for slot in found)]
        return [*found, *sorted(others, key=lambda v: v.name.rstrip("0123456789:_"))]


def is_v1(found: Any) -> bool:
    """Say whether something is an optimizer class of TensorFlow 1."""
    import tensorflow as tf

    return isinstance(found, type) and issubclass(found, tf.compat.v1.train.Optimizer)
