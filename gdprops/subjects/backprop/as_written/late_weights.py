"""Weights that are only made when training begins: ``self.weights = np.zeros(n)`` inside ``fit``.

They are judged from where they begin: the first numbers that training binds to such an attribute are replaced by
the drawn ones, of the same shape. That is done on objects of a subclass, which differs in nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

WAITING = "_gdprops_waiting"
SEEN = "_gdprops_seen"


def watched(found: type) -> type:
    """Return a subclass whose objects note what is first bound to their attributes, and can replace it."""

    def bind(self: Any, name: str, value: Any) -> None:
        waiting, seen = self.__dict__.get(WAITING), self.__dict__.get(SEEN)
        if waiting is not None and name in waiting and _is_number(value):
            first = waiting.pop(name)
            if np.shape(first) == np.shape(value):
                value = first if np.ndim(value) or type(first) is not np.ndarray else float(first)
        elif seen is not None and name not in seen and _is_number(value):
            seen[name] = np.array(value, dtype=np.float64)
        found.__setattr__(self, name, value)  # type: ignore[call-arg] # the function of a class, not of an object

    return type(found)(found.__name__, (found,), {"__setattr__": bind, "__module__": found.__module__})


def _is_number(value: Any) -> bool:
    """Say whether a value may be what weights begin with: of whole numbers, and of lists, only zeros."""
    if isinstance(value, list) and value and all(type(v) in (int, float) for v in value):
        return not any(value)
    if isinstance(value, np.ndarray):
        return value.size > 0 and (value.dtype.kind == "f" or (value.dtype.kind in "iu" and not value.any()))
    return isinstance(value, int | float | np.floating) and not isinstance(value, bool)


def late_names(net: Any, train: Callable[[Any], Any]) -> dict[str, Any]:
    """Return what training first binds to the attributes of a watched object, by name."""
    net.__dict__[SEEN] = {}
    held = {name for name, value in vars(net).items() if _is_number(value)}
    train(net)
    found: dict[str, Any] = net.__dict__.pop(SEEN)
    return {name: value for name, value in found.items() if name not in held or type(vars(net)[name]) is not int}


def with_first(net: Any, values: Mapping[str, Any]) -> Any:
    """Let the first numbers that are bound to some attributes be these."""
    net.__dict__[WAITING] = dict(values)
    return net
