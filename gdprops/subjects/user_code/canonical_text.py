"""Values as text that is equal for equal values, in every process: what a subject's identity is made of.

``1e-2`` and ``0.01`` are one number, as are ``1``, ``1.0`` and ``True``; the order of a dictionary does not matter, and
lists are not told from tuples (a pyproject.toml has no tuples). Functions, classes and other objects are the names by
which they can be imported. What no name finds is marked with `NAMELESS`, since its text does not tell it from others.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Set
from enum import Enum
from functools import partial
from numbers import Integral, Number, Real
from pathlib import PurePath
from typing import Any

import numpy as np

from gdprops.subjects.user_code.importable_names import described_home, importable_name

NAMELESS = "\0"
"""Marks what no name finds; the text of any other value contains no such character."""
SUBJECTS = "gdprops.subjects."
"""The package in which the classes of all subjects are defined."""
LOSSES = "torch.nn.modules.loss"
MOST_ENTRIES = 10_000
"""A larger array is not written out, hence it is not told from others."""
SHOWN_BY_REPR = ("torch.dtype", "torch.device", "torch.layout", "torch.memory_format")


def canonical(value: Any, typed: str = "") -> str:
    """Return a value as text; ``typed`` is a subject string under which a function or class may be found."""
    return _plain(value) or _container(value, typed) or _known_form(value) or _object(value, typed)


def _plain(value: Any) -> str:
    """Return None, a number, a text or a member of an enumeration; empty for any other value."""
    if isinstance(value, Enum):
        return f"{canonical(type(value))}.{value.name}"
    if isinstance(value, Number):
        return _number(value)
    if isinstance(value, str):
        return repr(str(value))
    return repr(value) if value is None or isinstance(value, bytes) else ""


def _number(value: Any) -> str:
    """Return a number; a whole number and the equal float are one."""
    if isinstance(value, Integral):
        return str(int(value))
    if not isinstance(value, Real) or not math.isfinite(value):
        return str(complex(value)) if isinstance(value, complex) else str(value)
    number: Any = value  # NumPy's numbers are Real, but not all that Real promises
    if number == int(number):
        return str(int(number))
    return repr(float(number)) if float(number) == number else repr(number)


def _container(value: Any, typed: str) -> str:
    """Return a mapping, a set, a list or a tuple; empty for any other value."""
    if isinstance(value, Mapping):
        return f"{{{', '.join(sorted(f'{canonical(k)}: {canonical(v, typed)}' for k, v in value.items()))}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(canonical(one, typed) for one in value)}]"
    return f"{{{', '.join(sorted(canonical(one, typed) for one in value))}}}" if isinstance(value, Set) else ""


def _known_form(value: Any) -> str:
    """Return a value of a type with a text of its own; empty for any other value."""
    kind, names = type(value), [f"{base.__module__}.{base.__qualname__}" for base in type(value).__mro__]
    if isinstance(value, PurePath | np.dtype) or names[0] in SHOWN_BY_REPR:
        return f"{kind.__qualname__} {str(value)!r}"
    if isinstance(value, partial):
        return f"partial {canonical([value.func, value.args, value.keywords])}"
    if isinstance(value, np.ndarray | np.generic) or "torch.Tensor" in names:
        held = canonical(value.tolist()) if math.prod(value.shape) <= MOST_ENTRIES else NAMELESS
        return f"{kind.__qualname__} {value.dtype} {held}"
    return ""


def _object(value: Any, typed: str) -> str:
    name = importable_name(value, typed, _is_part)
    if name is not None:
        return name
    state = _state(value)
    return f"{NAMELESS}{described_home(value)}" if state is None else f"{canonical(type(value))} {canonical(state)}"


def _state(value: Any) -> Mapping[str, Any] | None:
    """Return the attributes of a loss of torch; None for any other object, which may change with every call."""
    if type(value).__module__ != LOSSES:
        return None
    return {k: v for k, v in vars(value).items() if not (k.startswith("_") and _is_empty(v))}


def _is_empty(value: Any) -> bool:
    return value is None or value is False or (isinstance(value, Mapping | Set | list | tuple) and not value)


def _is_part(found: Any, other: Any) -> bool:
    """Say whether something is a subject, and the object a part of it."""
    is_subject = str(type(other).__module__).startswith(SUBJECTS)
    return is_subject and any(part is found for part in getattr(other, "parts", {}).values())


def alike(one: Any, other: Any) -> bool:
    """Say whether two values are the same object, or surely equal."""
    if one is other:
        return True
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(alike(value, other[key]) for key, value in one.items())
    text = canonical(one)
    return NAMELESS not in text and text == canonical(other)
