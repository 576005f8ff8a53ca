"""A hand-written loss followed operation by operation, and evaluated with one operation done otherwise.

The parameters are handed over as arrays that note every NumPy operation on them and on what comes of them: what it was,
in which line, on what, with what result. Evaluated once more, the results at some places can be replaced. Two things
are made of that: a loss without the guard in its logarithm (``log(p + 1e-7)`` as ``log(p)``), and the derivative that a
backward pass with one mistake computes. Such a mistake changes how an operation answers to its inputs and not its
value: *mean held fixed* is "the value from the recording", *W instead of its transpose* is
"the value from the recording + Wᵀ (h - h from the recording)". The differences of the changed loss are the mistake's
gradient, for any network.
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from gdprops.model.arrays import Array

NAMES = {
    "add.reduce": "sum",
    "maximum.reduce": "max",
    "minimum.reduce": "min",
    "multiply.reduce": "prod",
    "amax": "max",
    "amin": "min",
}
"""What operations are called that have several names."""
METHODS = ("mean", "var", "std", "sum", "max", "min", "prod", "dot", "clip", "argmax", "argmin", "cumsum")
"""Methods of arrays that are noted as one operation each, like the function of that name."""
VIEWS = ("reshape", "squeeze", "transpose", "ravel", "copy", "atleast_2d", "expand_dims", "take", "swapaxes", "choose")
"""Functions whose result is made of their first argument's entries."""
MAKERS = ("zeros", "ones", "empty", "full", "array", "asarray")
"""Functions that make the arrays that later results are written into."""
SCALARS = ("exp", "log", "log2", "log10", "log1p", "sqrt", "tanh", "sin", "cos", "fabs")
"""Functions of the module ``math`` that NumPy has too."""
_OWN = (__file__, str(np.__file__).rpartition("__init__")[0])

_array, _asarray = np.array, np.asarray
"""NumPy's own, whatever stands in for them while a loss is followed."""

Change = Callable[["Operation", "Sequence[Any]", Any], Any]
"""What an operation gives instead, from its recording, its inputs now, and its result now."""


class Place(NamedTuple):
    """Where in the user's code an operation stands: a line may have several of one name, told apart by ``offset``."""

    file: str
    line: int
    offset: int
    name: str


class Operation(NamedTuple):
    """One operation as it was recorded; ``origins`` names what each input came from: a parameter, or the k-th one."""

    place: Place
    inputs: tuple[Any, ...]
    options: Mapping[str, Any]
    result: Any
    origins: tuple[int | str | None, ...]


class Trace:
    """The operations of one evaluation; with ``changes``, those at some places give something else than they would.

    ``base`` holds what is known of the k-th call at a place from a recording; without it this is one.
    """

    def __init__(
        self, changes: Mapping[Place, Change] | None = None, base: Mapping[tuple[Place, int], Operation] | None = None
    ) -> None:
        self.operations: list[Operation] = []
        self._changes, self._base = changes or {}, base
        self._calls: Counter[Place] = Counter()

    def known(self) -> dict[tuple[Place, int], Operation]:
        """Return the operations by their place and by how often it was passed before."""
        calls: Counter[Place] = Counter()
        found = {}
        for one in self.operations:
            found[one.place, calls[one.place]] = one
            calls[one.place] += 1
        return found

    def parameter(self, name: str, w: Any) -> Any:
        """Return a parameter that notes what is done with it."""
        return _wrapped(_array(w, dtype=np.float64), self, name)

    def note(self, name: str, inputs: Sequence[Any], options: Mapping[str, Any], result: Any) -> Any:
        """Note an operation on plain inputs; return its result, or what it is changed to."""
        place = _place(NAMES.get(name, name))
        change = self._changes.get(place)
        if change is not None:
            result = change(self._recorded(place, options, result), tuple(map(_plain, inputs)), result)
        if self._base is None:
            plain = tuple(_array(x) if isinstance(x, np.ndarray) else _plain(x) for x in inputs)
            kept = _array(result) if isinstance(result, np.ndarray) else result
            self.operations.append(Operation(place, plain, options, kept, tuple(map(_origin, inputs))))
        return result

    def _recorded(self, place: Place, options: Mapping[str, Any], result: Any) -> Operation:
        """Return the recording of the call that is made at a place, and of what is made now where there is none."""
        number = self._calls[place]
        self._calls[place] += 1
        recorded = None if self._base is None else self._base.get((place, number))
        return Operation(place, (), options, result, ()) if recorded is None else recorded

    @property
    def latest(self) -> int | None:
        """The number of the last operation, None where nothing is recorded."""
        return len(self.operations) - 1 if self._base is None else None


class Traced(np.ndarray[Any, np.dtype[Any]]):
    """An array that tells its trace what is done with it."""

    follower: Trace | None = None
    origin: int | str | None = None

    def __array_finalize__(self, template: Any) -> None:
        if isinstance(template, Traced):
            self.follower, self.origin = template.follower, template.origin

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        out = options.pop("out", ())
        given = [_plain(x) for x in inputs]
        options = {key: _plain(value) for key, value in options.items()}
        if method == "at":
            return ufunc.at(*given)
        result = getattr(ufunc, method)(*given, **options)
        trace = _trace_of([*inputs, *out])
        name = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
        result = trace.note(name, inputs, options, result)
        if not out or out[0] is None:
            return _wrapped(result, trace, trace.latest)
        _plain(out[0])[...] = result
        if isinstance(out[0], Traced):
            out[0].origin = trace.latest
        return out[0]

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        result = function(*_each(args), **{key: _each(value) for key, value in kwargs.items()})
        trace = _trace_of([*args, *kwargs.values()])
        if function.__name__ in VIEWS:
            return _wrapped(result, trace, _origin(args[0]) if args else None)
        result = trace.note(function.__name__, args, kwargs, result)
        return _wrapped(result, trace, trace.latest)

    def __getitem__(self, key: Any) -> Any:
        return _wrapped(_plain(self)[_each(key)], self.follower, self.origin)

    def __setitem__(self, key: Any, value: Any) -> None:
        _plain(self)[_each(key)] = _each(value)
        if isinstance(value, Traced):
            self.origin = value.origin


def _as_function(name: str) -> Any:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return getattr(np, name)(self, *args, **kwargs)

    return method


for _name in METHODS:
    setattr(Traced, _name, _as_function(_name))


def _wrapped(value: Any, trace: Trace | None, origin: int | str | None) -> Any:
    """Return numbers as arrays that are traced, a single number too; anything else as it is."""
    if isinstance(value, tuple | list):
        return type(value)(_wrapped(v, trace, origin) for v in value)
    if not isinstance(value, np.ndarray | np.floating) or trace is None or _asarray(value).dtype.kind != "f":
        return value
    array = _asarray(value).view(Traced)
    array.follower, array.origin = trace, origin
    return array


def _plain(value: Any) -> Any:
    return value.view(np.ndarray) if isinstance(value, Traced) else value


def _each(values: Any) -> Any:
    if isinstance(values, list | tuple):
        return type(values)(map(_each, values))
    return _plain(values)


def _origin(value: Any) -> int | str | None:
    return value.origin if isinstance(value, Traced) else None


def _trace_of(values: Any) -> Trace:
    for value in values:
        if isinstance(value, list | tuple):
            inside = [v for v in value if isinstance(v, Traced | list | tuple)]
            if inside:
                return _trace_of(inside)
        elif isinstance(value, Traced) and value.follower is not None:
            return value.follower
    return Trace(base={})


def _place(name: str) -> Place:
    """Return where the user's own code is at this moment."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_code.co_filename.startswith(_OWN):
        frame = frame.f_back
    return (
        Place("", 0, 0, name) if frame is None else Place(frame.f_code.co_filename, frame.f_lineno, frame.f_lasti, name)
    )


@contextmanager
def followed(trace: Trace) -> Iterator[None]:
    """Let new arrays be traced too, and NumPy answer for the module ``math``, while a loss is evaluated."""
    makers = {name: getattr(np, name) for name in MAKERS}
    scalars = {name: getattr(math, name) for name in SCALARS}
    for name, make in makers.items():
        setattr(np, name, _making(make, trace))
    for name, function in scalars.items():
        setattr(math, name, _of_number(function, getattr(np, name)))
    try:
        yield
    finally:
        for name, make in makers.items():
            setattr(np, name, make)
        for name, function in scalars.items():
            setattr(math, name, function)


def _making(make: Any, trace: Trace) -> Any:
    def made(*args: Any, **kwargs: Any) -> Any:
        origin = _origin(args[0]) if args else None
        return _wrapped(make(*_each(args), **kwargs), trace, origin)

    return made


def _of_number(function: Any, numpy_function: Any) -> Any:
    return lambda x, *more: numpy_function(x) if isinstance(x, Traced) and not more else function(x, *more)


Evaluate = Callable[["Sequence[Any]"], Any]
"""Calls the loss on the arrays that are handed to it."""
STEP = 2.0**-16
"""Differences over so little: their error is about 1e-10, and that of an explanation may be 1e-5."""


class TracedLoss:
    """A loss recorded at some weights; ``always``: what some of its operations give instead in every evaluation."""

    def __init__(
        self,
        evaluate: Evaluate,
        names: Sequence[str],
        weights: Sequence[Array],
        always: Mapping[Place, Change] | None = None,
    ) -> None:
        self._evaluate, self._names, self._weights = evaluate, names, weights
        self._always = always or {}
        trace = Trace(self._always)
        self.value = self._evaluated(trace, weights)
        self.operations = trace.operations
        self._base = trace.known()

    def _evaluated(self, trace: Trace, weights: Sequence[Array]) -> float:
        with followed(trace):
            arrays = [trace.parameter(name, w) for name, w in zip(self._names, weights, strict=True)]
            return float(self._evaluate(arrays))

    def derivative(self, changes: Mapping[Place, Change]) -> list[Array]:
        """Return the differences of the loss whose operations answer otherwise at some places."""
        found, changes = [], {**self._always, **changes}
        for i, w in enumerate(self._weights):
            slopes = np.zeros(w.size)
            for k in range(w.size):
                up, down = (self._evaluated(Trace(changes, self._base), self._moved(i, k, h)) for h in (STEP, -STEP))
                slopes[k] = (up - down) / (2 * STEP)
            found.append(slopes.reshape(w.shape))
        return found

    def with_moved(self, place: Place, call: int, at: int, by: float) -> float:
        """Return the loss where one entry of the result of one call at a place is moved."""
        recorded = self._base[place, call]

        def change(operation: Operation, inputs: Sequence[Any], result: Any) -> Any:
            del inputs
            if operation is not recorded:
                return result
            moved = _array(result, dtype=np.float64)
            moved.reshape(-1)[at] += by
            return moved if isinstance(result, np.ndarray) else moved[()]

        return self._evaluated(Trace({**self._always, place: change}, self._base), self._weights)

    def _moved(self, i: int, k: int, by: float) -> list[Array]:
        moved = [_array(w, dtype=np.float64) for w in self._weights]
        moved[i].reshape(-1)[k] += by
        return moved
