"""The log of one watched step: its forward passes, its calls of optimizers, and the parameters it wrote and read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple, final

import numpy as np

if TYPE_CHECKING:
    from gdprops.model.arrays import Array


class Pass(NamedTuple):
    """A forward pass: the rows of the batch that it saw (None: unknown), and the weights at that moment.

    ``learns`` tells whether gradients were recorded; ``inputs`` and ``outputs`` are those of a model that is given one
    tensor and returns one, None for others.
    """

    rows: tuple[int, ...] | None
    weights: list[Array]
    learns: bool
    inputs: Array | None = None
    outputs: Array | None = None


class LossCall(NamedTuple):
    """A call of a loss: what it was given, the loss, and the place in the user's code (``train.py:12``).

    ``factor``: what the loss is multiplied by in the scalars that backward started from (its derivative by the loss).
    """

    outputs: Array
    targets: Array
    value: float
    place: str
    factor: float | None = None


class Root(NamedTuple):
    """A call of backward: the scalar that it starts from, where, and what it added to the parameters' gradients."""

    value: float
    place: str
    added: list[Array | None]


class Call(NamedTuple):
    """A call of ``optimizer.step``: the gradients handed to it, in the order of the run's names, and its effect."""

    gradients: list[Array | None]
    before: list[Array]
    after: list[Array]


class LateRead(NamedTuple):
    """A read of a parameter that the step had already written; ``place``: forward, backward or update."""

    parameter: int
    place: str


@final
@dataclass(frozen=True, slots=True)
class Observation:
    """The log of one logical step.

    Attributes:
        passes: The forward passes in their order.
        calls: The calls of optimizers in their order.
        writes: How often each parameter was written, by its index.
        late: The parameters that were read after they had been written.
        after: The weights after the step.
        left: The gradients in ``.grad`` at the start of the step.
        losses, roots: The calls of the loss function, and of backward.
        hooks: By how many gradient hooks the step has left more on every parameter than it found.
    """

    passes: tuple[Pass, ...]
    calls: tuple[Call, ...]
    writes: Mapping[int, int]
    late: tuple[LateRead, ...]
    after: list[Array]
    left: list[Array | None]
    losses: tuple[LossCall, ...] = ()
    roots: tuple[Root, ...] = ()
    hooks: int = 0

    @property
    def learning(self) -> tuple[Pass, ...]:
        """The forward passes that a backward pass used."""
        return tuple(one for one in self.passes if one.learns)

    def moved_after(self) -> list[list[Array]]:
        """Return for each learning pass and parameter which entries moved until the next learning pass."""
        marks = [one.weights for one in self.learning] + [self.after]
        return [differing(a, b) for a, b in pairwise(marks)]

    @property
    def calls_without_gradients(self) -> bool:
        """Whether optimizers were called, and none of them was handed any gradient."""
        return bool(self.calls) and all(g is None for call in self.calls for g in call.gradients)

    def hands_over_twice(self) -> bool:
        """Say whether any parameter was handed to an optimizer more than once."""
        counts = [sum(call.gradients[i] is not None for call in self.calls) for i in range(len(self.after))]
        return max(counts, default=0) > 1

    def door(self) -> list[Array | None] | None:
        """Return the gradients handed to the optimizers.

        None if there was no call, or if the gradient of a parameter was handed over twice.
        """
        if not self.calls:
            return None
        found: list[Array | None] = [None] * len(self.after)
        for call in self.calls:
            for i, g in enumerate(call.gradients):
                if g is not None and found[i] is not None:
                    return None
                found[i] = g if found[i] is None else found[i]
        return found


def differing(a: Sequence[Array], b: Sequence[Array]) -> list[Array]:
    """Return for each pair of arrays a mask of the entries that differ."""
    return [np.asarray(x != y) for x, y in zip(a, b, strict=True)]
