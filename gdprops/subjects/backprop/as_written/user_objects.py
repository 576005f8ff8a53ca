"""Objects of the user's classes: what of them may be a parameter, and the attributes that are set before training."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from gdprops.subjects.backprop.as_written.constructors import Sizes
from gdprops.subjects.backprop.as_written.leaves import Leaf
from gdprops.subjects.backprop.as_written.roles import Role, role_of

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
        ):
            setattr(net, name, 1)
        elif role is Role.BATCH and isinstance(value, int):
            setattr(net, name, rows)


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
