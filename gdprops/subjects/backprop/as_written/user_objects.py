"""Objects of the user's classes: what of them may be a parameter, and the attributes that are set before training."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from inspect import signature
from types import CodeType, FunctionType
from typing import Any

from gdprops.subjects.backprop.as_written.constructors import Sizes
from gdprops.subjects.backprop.as_written.leaves import Leaf
from gdprops.subjects.backprop.as_written.roles import FORWARD, FORWARD_WORDS, TRAIN, Role, named, plain, role_of

FLOATS = re.compile(r"(w|v|u|m|c|a|k|slope)(_?\d+)*|weight\w*|theta\w*|coef\w*")
"""How plain numbers are called that are parameters, beside biases."""


def is_parameter_name(name: str, shape: tuple[int, ...]) -> bool:
    """Say whether numbers may be a parameter by their name: a plain number only where it is called weight or bias."""
    low = name.lower().strip("_")
    named = FLOATS.fullmatch(low) is not None or low.startswith(("b", "intercept"))
    return bool(shape) or (named and role_of(name) not in (Role.RATE, Role.BATCH))


def begun(net: Any, method: str, sizes: Sizes) -> None:
    """Call the method that makes the weights, and let later calls of it do nothing."""
    for plan in ((), (sizes.n_in,), tuple(sizes), (list(sizes),), (sizes.n_in, sizes.n_out)):
        try:
            getattr(net, method)(*plan)
        except TypeError:
            continue
        break
    setattr(net, method, lambda *args, **kwargs: None)


def settle(net: Any, rate: float, rows: int) -> None:
    """Set the attributes that say how fast, how often and on how many samples at once the object trains."""
    found: Any = type(net)
    for name, value in list(vars(net).items()) if hasattr(net, "__dict__") else ():
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        role = role_of(name)
        if role is Role.RATE and isinstance(value, float | int):
            setattr(net, name, float(rate))
        elif (
            role is Role.EPOCHS
            and isinstance(value, int)
            and not name.lower().endswith(("done", "count"))
            and value > 1
            and name not in read_by_forward(found)
        ):
            setattr(net, name, 1)
        elif role is Role.BATCH and isinstance(value, int):
            setattr(net, name, rows)


@lru_cache(maxsize=256)
def read_by_forward(found: type) -> frozenset[str]:
    """Return the names that the methods for the output read: ``steps`` may be those of a sequence, and no epochs.

    A method that trains too, such as ``run()``, does not count.
    """
    methods = {name: one for name in dir(found) if isinstance(one := getattr(found, name, None), FunctionType)}
    every = (_reached(methods, name) for name in named(methods, FORWARD, FORWARD_WORDS))
    asked = [reached for reached in every if not any(_trains(name, methods[name]) for name in reached)]
    return frozenset(name for reached in asked for one in reached for name in _names_in(methods[one].__code__))


def _reached(methods: Mapping[str, FunctionType], name: str) -> set[str]:
    """Return a method and those that it calls."""
    found, asked = set[str](), [name]
    while asked:
        one = asked.pop()
        if one not in found:
            found.add(one)
            asked += _names_in(methods[one].__code__) & set(methods)
    return found


def _names_in(code: CodeType) -> set[str]:
    inner = (_names_in(one) for one in code.co_consts if isinstance(one, CodeType))
    return set(code.co_names).union(*inner)


def _trains(name: str, method: FunctionType) -> bool:
    """Say whether a method trains: by its name, or by what it takes; ``step(x, h)`` is one of a sequence."""
    taken = list(signature(method).parameters)[1:]
    if {role_of(one) for one in taken} & {Role.TARGETS, Role.PAIRS, Role.RATE}:
        return True
    return plain(name) in TRAIN and not (plain(name) == "step" and taken)


def has_rate(net: Any) -> bool:
    """Say whether an object has a learning rate among its attributes."""
    held = vars(net) if hasattr(net, "__dict__") else {}
    return any(role_of(k) is Role.RATE and isinstance(v, int | float) for k, v in held.items())


def in_pairs(found: Sequence[Leaf]) -> list[Leaf]:
    """Return parameters layer by layer where weights and biases are held in two lists of one length."""
    groups: dict[str, list[Leaf]] = {}
    for leaf in found:
        groups.setdefault(leaf.name.partition("[")[0] if leaf.path[-1][0] == "[" else leaf.name, []).append(leaf)
    lists = [group for group in groups.values() if len(group) > 1]
    if len(lists) == 2 and len(lists[0]) == len(lists[1]) and len(found) == 2 * len(lists[0]):
        return [leaf for pair in zip(*lists, strict=True) for leaf in pair]
    return list(found)


def is_defined(found: type, name: str) -> bool:
    """Say whether a method is defined in the user's own code, and not inherited from a library's class."""
    for base in found.__mro__:
        if name in vars(base):
            return base.__module__ == found.__module__ or not base.__module__.startswith(
                ("torch", "keras", "tensorflow", "sklearn", "builtins", "abc")
            )
    return False
