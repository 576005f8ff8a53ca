"""Which classes of a file are whole networks: they compute an output, and train."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

from gdprops.subjects.backprop.as_written.bound_calls import returned_names, returns_several
from gdprops.subjects.backprop.as_written.calls import parameters
from gdprops.subjects.backprop.as_written.function_parts import GRADIENT
from gdprops.subjects.backprop.as_written.roles import (
    FORWARD,
    FORWARD_WORDS,
    LOSS,
    TRAIN,
    TRAIN_WORDS,
    UPDATE,
    Role,
    called,
    named,
    plain,
    role_of,
)
from gdprops.subjects.backprop.as_written.user_objects import is_defined

BOTH = "loss"
"""The method that is asked for the scores, and for the loss with its gradients."""


def network_classes(own: Mapping[str, Any]) -> dict[str, type]:
    """Return the classes that compute an output and train, by name; not those that only serve to be inherited."""
    found = {name: value for name, value in own.items() if isinstance(value, type) and is_network(value)}
    bases = {base for value in found.values() for base in value.__mro__[1:]}
    return {name: value for name, value in found.items() if value not in bases}


def is_network(found: type) -> bool:
    """Say whether a class has a method for the output and another one that trains, in the user's own code."""
    if _is_of_framework(found) or issubclass(found, BaseException):
        return False
    defined = {name for name in dir(found) if is_defined(found, name) and inspect.isroutine(getattr(found, name, None))}
    forward = named(defined, FORWARD, FORWARD_WORDS) or [
        name for name in called(defined, LOSS) if _takes_targets(found, name)
    ]
    train = [name for name in called(defined, TRAIN) if not _is_slope(found, name)]
    train = train or [name for name in called(defined, UPDATE) if _takes_targets(found, name)]
    train = train or [name for name in named(defined, (), TRAIN_WORDS) if _takes_targets(found, name)]
    return any(a != b for a in forward for b in train) or returns_gradients(found, defined)


def _takes_targets(found: type, name: str) -> bool:
    roles = {role_of(p.name) for p in parameters(getattr(found, name)) or []}
    return Role.TARGETS in roles or Role.PAIRS in roles


def _is_slope(found: type, name: str) -> bool:
    """Say whether ``gradient(x)`` is the derivative of an activation, and not that of a loss at samples and targets."""
    return "grad" in name.lower() and "descent" not in name.lower() and len(parameters(getattr(found, name)) or []) < 3


def returns_gradients(found: type, defined: Iterable[str]) -> bool:
    """Say whether ``loss(X, y)`` is there, which returns the loss with its gradients; the scores for no y."""
    return any(gives_both(found, name) for name in called(defined, LOSS))


def gives_both(found: type, name: str) -> bool:
    """Say whether a method for the loss returns it together with gradients, by its name and its return statement."""
    loss = getattr(found, name)
    if plain(name) not in LOSS or not inspect.isfunction(loss):
        return False
    taken = list(inspect.signature(loss).parameters.values())[1:]
    if len(taken) < 2:
        return False
    parts = returned_names(loss)
    named_so = [role_of(part) is Role.GRADIENTS or GRADIENT.fullmatch(part) is not None for part in parts[1:]]
    both = (bool(named_so) and all(named_so)) or returns_several(loss)
    return (name == BOTH and taken[1].default is None) or (both and role_of(taken[1].name) is Role.TARGETS)


def _is_of_framework(found: type) -> bool:
    return any(base.__module__.startswith(("torch", "keras", "tensorflow", "jax", "flax")) for base in found.__mro__)
