"""NumPy parameters whose writes are delayed to the end of the step, so that every read sees the old weights.

This is a counterfactual experiment for hand-written backprop. If a step is right on such parameters and wrong on plain
arrays, then it reads weights that it has already updated. The parameters also note which of them were read too late.

Example: ``params["W2"] -= lr * g2; delta1 = delta2 @ params["W2"].T`` computes delta1 with the old W2, and notes W2.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from gdprops.model.arrays import Array

FORMS = (np.shape, np.ndim, np.size, np.zeros_like, np.ones_like, np.empty_like)
"""Functions that use only an array's shape and dtype and do not read its numbers."""


class Root:
    """The two states of a parameter: ``before`` the step, and ``now`` with everything that was written since.

    ``late`` is the list to which the name of a parameter is added when it is read after it was written.
    """

    def __init__(self, name: str, before: Array, late: list[str]) -> None:
        self.name, self.late = name, late
        self.before = np.array(before, dtype=np.float64)
        self.now = self.before.copy()

    def written(self, view: Array) -> Array:
        """Return the part of ``now`` that corresponds to ``view``, a part of ``before``."""
        offset = view.__array_interface__["data"][0] - self.before.__array_interface__["data"][0]
        return np.ndarray(view.shape, view.dtype, buffer=self.now, offset=offset, strides=view.strides)

    def read(self, view: Array) -> None:
        """Note a late read: the part of the parameter that is read has been overwritten with other numbers."""
        if (self.written(view) != view).any():
            self.late.append(self.name)


class Delayed(np.ndarray[Any, np.dtype[np.float64]]):
    """A parameter, or a view of one. Reads give the old numbers; writes go to the state ``now`` of its root."""

    root: Root | None = None

    def __array_finalize__(self, template: Any) -> None:
        root = template.root if isinstance(template, Delayed) else None
        if root is None:
            return
        if np.may_share_memory(_plain(self), root.before):
            self.root = root
        elif np.may_share_memory(_plain(template), root.before):
            root.read(_plain(template))

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        if method == "at":
            return ufunc.at(_target(inputs[0]), *map(_read, inputs[1:]))
        out = options.pop("out", ())
        options = {key: _read(value) for key, value in options.items()}
        if ufunc in (np.add, np.subtract) and method == "__call__" and not out and _is_whole(inputs[0]):
            return _moved(inputs[0], ufunc(_target(inputs[0]), *map(_read, inputs[1:]), **options))
        given = [_target(x) if any(x is o for o in out) else _read(x) for x in inputs]
        if out:
            options["out"] = tuple(_target(o) for o in out)
        found = getattr(ufunc, method)(*given, **options)
        return out[0] if len(out) == 1 else found

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if function is np.copyto:
            return np.copyto(_target(args[0]), *map(_read, args[1:]), **kwargs)
        read = _form if function in FORMS else _read
        return function(*_each(args, read), **{key: _each(value, read) for key, value in kwargs.items()})

    def dot(self, other: Any, out: Any = None) -> Any:
        """Return the product; NumPy's own method would read the numbers without a note."""
        return np.dot(_read(self), _read(other), out)

    def __getitem__(self, key: Any) -> Any:
        found = super().__getitem__(key)
        if isinstance(found, Delayed) or self.root is None:
            return found
        if found != self.root.written(_plain(self))[key]:
            self.root.late.append(self.root.name)
        return found

    def __setitem__(self, key: Any, value: Any) -> None:
        if self.root is None:
            super().__setitem__(key, value)
        elif not isinstance(value, Delayed) or value.root is not self.root:
            _target(self)[key] = _read(value)


def _is_whole(value: Any) -> bool:
    return isinstance(value, Delayed) and value.root is not None and value.shape == value.root.before.shape


def _moved(parameter: Any, now: Any) -> Any:
    """Return the result of ``W - something``; with the parameter's shape it counts as the moved parameter."""
    root: Root = parameter.root
    return delayed(root.name, root.before, root.late, now) if np.shape(now) == root.before.shape else now


def _plain(array: Any) -> Array:
    return np.asarray(array).view(np.ndarray)


def _target(array: Any) -> Any:
    """Return the array that a write must go to: for a parameter, the numbers that wait for the end of the step."""
    if not isinstance(array, Delayed):
        return array
    return _plain(array) if array.root is None else array.root.written(_plain(array))


def _read(value: Any) -> Any:
    """Return the numbers from before the step, and note that they are read."""
    if isinstance(value, Delayed) and value.root is not None:
        value.root.read(_plain(value))
    return _form(value)


def _form(value: Any) -> Any:
    return _plain(value) if isinstance(value, Delayed) else value


def _each(values: Any, read: Any) -> Any:
    if isinstance(values, list | tuple):
        return type(values)(_each(v, read) for v in values)
    return read(values)


def delayed(name: str, before: Array, late: list[str], now: Any = None) -> Delayed:
    """Return a parameter with delayed writes; ``now`` is what has already been written into it."""
    root = Root(name, before, late)
    if now is not None:
        root.now[...] = now
    array = root.before.view(Delayed)
    array.root = root
    return array


def settled(value: Any) -> Array:
    """Return a parameter with everything that was written into it."""
    return np.array(_target(value))


class DelayedDict(dict[str, Any]):
    """A dict of parameters in which the chosen ones have delayed writes.

    A chosen name that is bound to a new array still gives its old numbers.
    """

    def __init__(self, names: Sequence[str], arrays: Sequence[Array], late: list[str], chosen: Sequence[str]) -> None:
        self._before, self._late = {n: w for n, w in zip(names, arrays, strict=True) if n in chosen}, late
        super().__init__(
            {n: delayed(n, w, late) if n in chosen else np.array(w) for n, w in zip(names, arrays, strict=True)}
        )

    def __setitem__(self, name: str, value: Any) -> None:
        if name in self._before and not isinstance(value, Delayed):
            value = delayed(name, self._before[name], self._late, value)
        super().__setitem__(name, value)

    def update(self, *others: Any, **named: Any) -> None:
        """Bind several names anew."""
        for name, value in dict(*others, **named).items():
            self[name] = value

    def __ior__(self, other: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> DelayedDict:  # type: ignore[override, misc] # dict's overloads
        self.update(other)
        return self


class DelayedList(list[Any]):
    """A list of parameters in which the chosen ones have delayed writes.

    A chosen position that is bound to a new array still gives its old numbers.
    """

    def __init__(self, names: Sequence[str], arrays: Sequence[Array], late: list[str], chosen: Sequence[str]) -> None:
        self._names, self._before, self._late, self._chosen = list(names), list(arrays), late, set(chosen)
        super().__init__(
            delayed(n, w, late) if n in chosen else np.array(w) for n, w in zip(names, arrays, strict=True)
        )

    def __setitem__(self, position: Any, value: Any) -> None:
        if isinstance(position, int) and self._names[position] in self._chosen and not isinstance(value, Delayed):
            value = delayed(self._names[position], self._before[position], self._late, value)
        super().__setitem__(position, value)
