"""The forms in which hand-written functions take and return their parameters, and where a step takes its learning rate.

Parameters are a dict or a list of arrays. A step may move them in place and return None, return new params, or return a
tuple such as ``(params, loss)``; the learning rate may stand at any place and under one of several names.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, final

import numpy as np

from gdprops.model.wording import type_of

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.backprop_layout import Shape

RATES = ("lr", "learning_rate", "eta", "alpha", "rate", "step_size", "l_rate", "learningrate", "lrate", "η", "α")
"""The names of the learning rate in a signature, in lower or upper case."""
LAST = 3
"""The position of the learning rate in ``step(params, X, y, lr)``."""


class RateAt(NamedTuple):
    """Where a step takes the learning rate: at a position, under a keyword, or not at all."""

    position: int | None = LAST
    keyword: str | None = None

    @property
    def is_taken(self) -> bool:
        """Whether the step takes a learning rate."""
        return self.position is not None or self.keyword is not None

    def call(self, step: Callable[..., Any], params: Any, x: Any, y: Any, rate: float) -> Any:
        """Call the step, with the learning rate where it takes one."""
        given: list[Any] = [params, x, y]
        if self.position is not None:
            given.insert(self.position, rate)
        return step(*given, **({} if self.keyword is None else {self.keyword: rate}))

    def written(self, arguments: Sequence[str], rate: float) -> str:
        """Return the arguments of such a call as Python text."""
        given = [*arguments]
        if self.position is not None:
            given.insert(self.position, repr(rate))
        return ", ".join([*given, *([] if self.keyword is None else [f"{self.keyword}={rate!r}"])])


def rate_at(step: Callable[..., Any]) -> RateAt:
    """Return where a step takes the learning rate by its signature; the fourth place where that does not tell."""
    try:
        taken = list(inspect.signature(step).parameters.values())
    except (TypeError, ValueError):
        return RateAt()
    kinds = inspect.Parameter
    by_position = [p for p in taken if p.kind in (kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD)]
    for k, p in enumerate(by_position):
        if p.name.lower() in RATES:
            return RateAt(k) if k <= LAST else RateAt(None, p.name)
    alone = [p.name for p in taken if p.kind is kinds.KEYWORD_ONLY]
    named = [name for name in alone if name.lower() in RATES] or (alone if len(alone) == 1 else [])
    if named:
        return RateAt(None, named[0])
    more = len(by_position) > LAST or any(p.kind is kinds.VAR_POSITIONAL for p in taken)
    return RateAt() if more else RateAt(None, None)


class Restorable(Protocol):
    """What the user's code remembers from call to call, which can be put back to what it was."""

    def restore(self) -> None:
        """Put everything back."""


class Taken(NamedTuple):
    """A params object, and the Python expression that takes it from a function's result (written ``{}``)."""

    params: Any
    expression: str


@final
@dataclass(frozen=True, slots=True)
class Container:
    """How parameters are handed over: a dict with these keys, or a list."""

    keys: tuple[str, ...] | None

    def of(self, arrays: Sequence[Any]) -> Any:
        """Return a params object that holds these arrays."""
        return list(arrays) if self.keys is None else dict(zip(self.keys, arrays, strict=True))

    def taken(self, value: Any, shapes: Sequence[Shape], *, gradients: bool = False) -> Taken | None:
        """Return the params object that a function's result contains, or None where there is none.

        The result may be the params object itself, a tuple or list with a params object in it (``params, loss``), or
        the arrays alone, in the order of the parameters. ``gradients``: a dict may have keys such as ``dW1``,
        ``grad_W1`` or ``W1_grad``.
        """
        if self._holds(value, shapes, gradients):
            return Taken(value, "{}")
        if not isinstance(value, list | tuple):
            return None
        for k, inside in enumerate(value):
            if self._holds(inside, shapes, gradients):
                return Taken(inside, f"{{}}[{k}]")
        if len(value) == len(shapes) and all(map(_is_array, value)):
            return Taken(self.of(value), "{}" if self.keys is None else f"dict(zip({list(self.keys)}, {{}}))")
        return None

    def _holds(self, value: Any, shapes: Sequence[Shape], gradients: bool) -> bool:
        if self.keys is None:
            is_list = isinstance(value, list | tuple) and len(value) == len(shapes)
            return is_list and all(map(_has_shape, value, shapes))
        if not isinstance(value, Mapping):
            return False
        return any(alias in value for key in self.keys for alias in (_aliases(key) if gradients else (key,)))

    def found(self, value: Any, name: str, position: int) -> Any:
        """Return one parameter's entry, None where it is missing."""
        if self.keys is None:
            return value[position] if position < len(value) else None
        return next((value[alias] for alias in _aliases(name) if alias in value), None)

    @property
    def word(self) -> str:
        """What messages call the container."""
        return "a list" if self.keys is None else f"a dict with the keys {', '.join(self.keys)}"

    def literal(self, names: Sequence[str], arrays: Sequence[Array]) -> str:
        """Return the params object as Python text."""
        inside = [f"np.array({a.tolist()})" for a in arrays]
        if self.keys is None:
            return f"[{', '.join(inside)}]"
        return "{" + ", ".join(f"{name!r}: {text}" for name, text in zip(names, inside, strict=True)) + "}"


def _aliases(name: str) -> tuple[str, ...]:
    return (name, f"d{name}", f"d_{name}", f"grad_{name}", f"{name}_grad")


def _has_shape(value: Any, shape: Shape) -> bool:
    try:
        return bool(np.shape(value) == shape)
    except ValueError:  # a list of arrays of different shapes
        return False


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray | np.number | float | int | list) and not isinstance(value, bool)


def described(value: Any) -> str:
    """Return a short description of a value, for messages."""
    if value is None or isinstance(value, bool | int | float | str | np.number):
        return repr(value)
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    if isinstance(value, Mapping) and value and all(isinstance(key, str) for key in value):
        return f"a dict with the keys {', '.join(value)}"
    if isinstance(value, list | tuple):
        return f"{type_of(value)} of {len(value)}"
    return type_of(value)
