"""Which classes of a file are layers: they compute an output, and hand a gradient back.

A class that compares outputs with targets is a loss, and one with a method that trains is a network.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from gdprops.subjects.backprop.as_written.calls import parameters, takes
from gdprops.subjects.backprop.as_written.roles import FORWARD, TRAIN, Role, called, role_of
from gdprops.subjects.backprop.as_written.user_objects import is_defined

BACKWARD = (
    "backward",
    "backwardpass",
    "backprop",
    "backpropagation",
    "backwardpropagation",
    "backpropagate",
    "bprop",
    "backwardbatch",
    "backwards",
    "backwardspass",
    "backpropogate",
    "backpropogation",
    "bwd",
    "back",
)
IS_GRADIENT = re.compile(
    r"d|d_?[a-z]\d?|d_?(e|l|j|c|err|loss|cost)_?d_?\w+|d_?prev\w*|\w*deriv(ative)?s?|d_?(out\w*|vals?|values|z|a|y|h|l\w*|inputs?|x)|grad\w*|\w*_?grad(ient)?s?|(output_?)?errors?\w*|delta\w*|upstream\w*|"
    r"\w*sensitivity|output_gradient|next_\w+|g|e|b_?loss|dvalues|gradOutput",
    re.IGNORECASE,
)


def layer_classes(own: Mapping[str, Any]) -> dict[str, type]:
    """Return the classes of a file that are layers by their methods, and not only there to be inherited."""
    found = {name: value for name, value in own.items() if isinstance(value, type) and is_layer(value)}
    bases = {base for value in found.values() for base in value.__mro__[1:]}
    return {name: value for name, value in found.items() if value not in bases}


def loss_classes(own: Mapping[str, Any]) -> list[str]:
    """Return the names of the classes of a file that have the methods of a layer, and compare with targets."""
    classes = {name: value for name, value in own.items() if isinstance(value, type)}
    return [n for n, v in classes.items() if method_of(v, BACKWARD) and method_of(v, FORWARD) and is_loss(v)]


def is_layer(found: type) -> bool:
    """Say whether a class hands an error back: its backward method takes a gradient, and it has none that trains."""
    backward = method_of(found, BACKWARD)
    if not backward or not method_of(found, FORWARD) or trains(found) or is_loss(found):
        return False
    return gradient_at(list(parameters(getattr(found, backward)) or [])[1:]) is not None


def trains(found: type) -> bool:
    """Say whether a class has a method that trains: ``train()`` and ``train(mode=True)`` may only set a mode."""
    name = method_of(found, tuple(n for n in TRAIN if n.startswith(("train", "fit"))))
    return bool(name) and any(p.default is p.empty for p in takes(getattr(found, name)))


def is_loss(found: type) -> bool:
    """Say whether a class with a forward and a backward method must be given targets: it compares, and is no layer.

    ``forward(x, y)`` alone may multiply its two arguments.
    """
    forward, backward = (
        [p.name for p in (parameters(getattr(found, name)) or [])[1:] if p.default is p.empty] if name else []
        for name in (method_of(found, FORWARD), method_of(found, BACKWARD))
    )
    needed = [*(name for name in forward if name != "y"), *(n for n in backward if not IS_GRADIENT.fullmatch(n))]
    return any(role_of(name) is Role.TARGETS for name in needed)


def gradient_at(taken: Sequence[inspect.Parameter]) -> int | None:
    """Return which argument of a backward method is the gradient, by its name: the first one where several may be."""
    return next((k for k, p in enumerate(taken) if IS_GRADIENT.fullmatch(p.name.strip("_"))), None)


@lru_cache(maxsize=1024)
def method_of(found: type, names: tuple[str, ...]) -> str:
    """Return the name of the method of a class that is called in one of these ways; empty where it has none."""
    defined = (n for n in dir(found) if is_defined(found, n) and inspect.isroutine(getattr(found, n, None)))
    return next(iter(called(defined, names)), "")
