"""What the user's functions remember from one call to the next, put back to what it was when they were loaded.

Gradients that are added up in a global dictionary, a counter, a cache in a function's attribute: in a fresh interpreter
they begin empty. Every run of ours begins so too; else a shrunk case would depend on the examples before it, and would
not reproduce where somebody else runs it. Within a run, from step to step, everything is remembered.

Followed is what the functions' own code names: the globals that it reads or binds, the functions that it calls and
theirs, closures, defaults, attributes. Only the structure of plain data is copied (dicts, lists, sets, arrays, the
attributes of the user's own objects); whatever else stands in it, and large data, stays what it is.
"""

from __future__ import annotations

import dis
import sys
from collections import deque
from collections.abc import Callable
from functools import partial
from inspect import unwrap
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any, final

import numpy as np

from gdprops.subjects.user_code.helper_modules import is_installed

MOST_ENTRIES = 10_000
"""Larger arrays and containers are data that was loaded, not what a step has noted."""
_BINDS = ("STORE_GLOBAL", "STORE_ATTR", "DELETE_GLOBAL")
_Put = Callable[[], Any]
"""Puts the inside of a value back, and returns the value."""


@final
class RememberedState:
    """The state of all that some functions can reach in the user's own code, as it is now."""

    def __init__(self, *functions: Any) -> None:
        self._seen: dict[int, Any] = {}
        self._puts: list[_Put] = []
        for function in functions:
            self._follow(function)

    def restore(self) -> None:
        """Put everything back."""
        for put in self._puts:
            put()

    def _is_new(self, value: Any) -> bool:
        if id(value) in self._seen:
            return False
        self._seen[id(value)] = value  # kept alive, so that no other value gets its id
        return True

    def _follow(self, found: Any) -> None:
        """Follow a function, a class or an object to what it remembers."""
        if isinstance(found, partial):
            found = found.func
        if isinstance(found, MethodType):
            self._value(found.__self__)
            found = found.__func__
        if isinstance(found, type):
            self._class(found)
        elif isinstance(found, FunctionType):
            self._function(unwrap(found))
        elif _is_own_class(type(found)):
            self._value(found)

    def _function(self, function: Any) -> None:
        if not isinstance(function, FunctionType) or not self._is_new(function):
            return
        if is_installed(function.__code__.co_filename):
            return
        self._puts.append(self._items(function.__dict__))
        for value in (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()):
            self._value(value)
        for cell in function.__closure__ or ():
            self._cell(cell)
        read, bound = _names_in(function.__code__)
        self._names(function.__globals__, read, bound)
        for module in [function.__globals__.get(name) for name in read]:
            if isinstance(module, ModuleType) and not is_installed(getattr(module, "__file__", None)):
                self._names(vars(module), read, bound)

    def _cell(self, cell: Any) -> None:
        try:
            held = cell.cell_contents
        except ValueError:  # not filled yet
            return
        self._follow(held)
        put = self._value(held)
        self._puts.append(lambda: setattr(cell, "cell_contents", put()))

    def _names(self, names: dict[str, Any], read: frozenset[str], bound: frozenset[str]) -> None:
        for name in read & names.keys():
            self._follow(names[name])
            put = self._value(names[name])
            if name in bound:
                self._puts.append(partial(_bind, names, name, put))
        for name in bound - names.keys():
            self._puts.append(partial(names.pop, name, None))

    def _class(self, found: type) -> None:
        if not _is_own_class(found) or not self._is_new(found):
            return
        for name, value in list(vars(found).items()):
            if isinstance(value, FunctionType):
                self._function(value)
            elif not name.startswith("__") and _is_data(value):
                put = self._value(value)
                self._puts.append(partial(_set, found, name, put))

    def _value(self, value: Any) -> _Put:
        put = self._put_of(value) if self._is_new(value) else None
        if put is None:
            return lambda: value
        self._puts.append(put)
        return put

    def _put_of(self, value: Any) -> _Put | None:
        if isinstance(value, np.ndarray):
            small = value.size <= MOST_ENTRIES and value.flags.writeable and value.dtype != object
            return partial(_refill_array, value, value.copy()) if small else None
        if isinstance(value, dict | list | set | deque | tuple) and len(value) > MOST_ENTRIES:
            return None
        if isinstance(value, dict):
            return self._items(value)
        if isinstance(value, list | deque):
            return partial(_refill_sequence, value, [self._value(inside) for inside in value])
        if isinstance(value, set):
            return partial(_refill_set, value, frozenset(value))
        if isinstance(value, tuple):
            for inside in value:
                self._value(inside)
        elif _is_own_class(type(value)) and isinstance(getattr(value, "__dict__", None), dict):
            self._class(type(value))
            self._puts.append(self._items(vars(value)))
        return None

    def _items(self, held: dict[Any, Any]) -> _Put:
        return partial(_refill_dict, held, {key: self._value(value) for key, value in held.items()})


def _names_in(code: CodeType) -> tuple[frozenset[str], frozenset[str]]:
    """Return the names that code uses beside its locals, and those of them that it binds."""
    read, bound = set(code.co_names), {i.argval for i in dis.get_instructions(code) if i.opname in _BINDS}
    for inner in (c for c in code.co_consts if isinstance(c, CodeType)):
        more = _names_in(inner)
        read, bound = read | more[0], bound | more[1]
    return frozenset(read), frozenset(bound)


def _bind(names: dict[str, Any], name: str, put: _Put) -> None:
    names[name] = put()


def _set(found: type, name: str, put: _Put) -> None:
    setattr(found, name, put())


def _refill_array(held: Any, kept: Any) -> Any:
    held[...] = kept
    return held


def _refill_set(held: set[Any], kept: frozenset[Any]) -> set[Any]:
    held.clear()
    held.update(kept)
    return held


def _refill_sequence(held: Any, kept: list[_Put]) -> Any:
    values = [put() for put in kept]
    held.clear()
    held.extend(values)
    return held


def _refill_dict(held: dict[Any, Any], kept: dict[Any, _Put]) -> dict[Any, Any]:
    if held or kept:
        values = {key: put() for key, put in kept.items()}
        held.clear()
        held.update(values)
    return held


def _is_own_class(value: Any) -> bool:
    if not isinstance(value, type):
        return False
    return not is_installed(getattr(sys.modules.get(value.__module__), "__file__", None))


def _is_data(value: Any) -> bool:
    plain = value is None or isinstance(value, bool | int | float | complex | str | np.generic | np.ndarray)
    return plain or isinstance(value, dict | list | set | tuple | deque)
