"""Small constants that keep a loss's logarithms finite, found by following the loss, and the loss without them.

Many a correct network, one of the best known books among them, computes ``-sum(t * log(p + 1e-7))`` and takes the
gradient of ``-sum(t * log(p))``. Which of both is meant cannot be known, so both are right. What is a guard is seen and
not guessed: a constant that is added to what goes into a logarithm, or that it is held above.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from gdprops.numerics.decisions import MOST_LOG_GUARD
from gdprops.subjects.backprop.traced_loss import Change, Operation, Place, Trace, followed

LOGARITHMS = ("log", "log2", "log10")


@final
@dataclass(frozen=True, slots=True)
class Guard:
    """A constant in a logarithm's argument, and where it is added."""

    constant: float
    place: Place

    @property
    def file(self) -> str:
        """The file in which it is added."""
        return self.place.file

    @property
    def line(self) -> int:
        """The line in which it is added."""
        return self.place.line


def guards_in(operations: Sequence[Operation]) -> tuple[Guard, ...]:
    """Return the guards of a recorded loss."""
    found: dict[Place, Guard] = {}
    for one in operations:
        if one.place.name in LOGARITHMS and one.origins and isinstance(one.origins[0], int):
            guard = _guard(operations, operations[one.origins[0]])
            if guard is not None:
                found.setdefault(guard.place, guard)
    return tuple(found.values())


def _guard(operations: Sequence[Operation], operation: Operation) -> Guard | None:
    constant = _constant(operation)
    if constant is None and operation.place.name == "minimum":  # np.minimum(np.maximum(p, e), 1 - e)
        origin = operation.origins[0] if operation.origins else None
        return _guard(operations, operations[origin]) if isinstance(origin, int) else None
    return None if constant is None else Guard(constant, operation.place)


def _constant(operation: Operation) -> float | None:
    """Return the small constant of ``x + e``, ``1 + e - x``, ``maximum(x, e)`` and ``clip(x, e, 1 - e)``."""
    name, numbers = operation.place.name, [_number(x) for x in operation.inputs]
    if name in ("add", "maximum") and len(numbers) == 2:
        constant = numbers[0] if numbers[0] is not None else numbers[1]
    elif name == "subtract" and len(numbers) == 2 and numbers[0] is not None:
        constant = numbers[0] - 1
    elif name == "clip":
        least = numbers[1] if len(numbers) > 1 else operation.options.get("a_min", operation.options.get("min"))
        constant = least if isinstance(least, float) else None
    else:
        return None
    return constant if constant is not None and 0 < constant <= MOST_LOG_GUARD else None


def _number(value: Any) -> float | None:
    """Return a number that stands in the code; an array that is computed is none."""
    return float(value) if isinstance(value, int | float | np.floating) else None


def _unguarded(operation: Operation, inputs: Sequence[Any], result: Any) -> Any:
    """Return what an operation gives without its constant."""
    name = operation.place.name
    if name == "subtract":
        return 1.0 - inputs[1]
    return inputs[1] if _number(inputs[0]) is not None else inputs[0]


@final
@dataclass(frozen=True, slots=True)
class WithoutGuards:
    """A loss whose guards are left out: it is the user's own function, and its operations at their places give less."""

    loss: Callable[..., Any]
    guards: tuple[Guard, ...]

    @property
    def changes(self) -> dict[Place, Change]:
        """What the operations at the guards' places give instead."""
        return {guard.place: _unguarded for guard in self.guards}

    def __call__(self, params: Any, x: Any, y: Any) -> Any:
        """Return the loss."""
        trace = Trace(self.changes, {})
        with followed(trace):
            found = self.loss(_handed_over(params, trace), x, y)
        return np.asarray(found) if isinstance(found, np.ndarray) else found


def _handed_over(params: Any, trace: Trace) -> Any:
    if isinstance(params, Mapping):
        return {name: trace.parameter(name, w) for name, w in params.items()}
    return [trace.parameter("", w) for w in params]
