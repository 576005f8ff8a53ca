"""Keras optimizers, on whatever backend Keras was started with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, final

import numpy as np


@final
class LiveKeras:
    """One Keras optimizer over its own variables."""

    def __init__(self, factory: Any, weights: Sequence[Any], given: Mapping[str, Any]) -> None:
        import keras

        self.optimizer = factory(**given)
        self.variables = [keras.Variable(w) for w in weights]
        self.optimizer.build(self.variables)

    def place(self, weights: Sequence[Any], rate: float) -> None:
        """Overwrite the variables and the learning rate."""
        for variable, w in zip(self.variables, weights, strict=True):
            variable.assign(w)
        self.optimizer.learning_rate = rate

    def apply(self, gradients: Sequence[Any]) -> None:
        """Take one step; None stands for a missing gradient."""
        import keras

        tensors = [None if g is None else keras.ops.convert_to_tensor(g) for g in gradients]
        self.optimizer.apply(tensors, self.variables)

    def weights(self) -> list[Any]:
        """Return copies of the variables."""
        import keras

        return [np.array(keras.ops.convert_to_numpy(v)) for v in self.variables]

    def remember(self, other: LiveKeras) -> None:
        """Copy another optimizer's own variables into this one, as ``load_own_variables`` does."""
        import keras

        for mine, theirs in zip(self.optimizer.variables, other.optimizer.variables, strict=True):
            mine.assign(keras.ops.copy(theirs.value))


def is_keras(found: Any) -> bool:
    """Say whether something is a Keras optimizer class."""
    import keras

    return isinstance(found, type) and issubclass(found, keras.optimizers.Optimizer)
