"""Calls of plain functions whose arguments are found by name: what earlier functions returned, and what names mean.

``A2, cache = forward_propagation(X, parameters)``: the names stand in the function's own return statement, and the next
function asks for ``cache`` or ``A2`` by name.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from gdprops.subjects.backprop.as_written.calls import parameters
from gdprops.subjects.backprop.as_written.definition import definition_of
from gdprops.subjects.backprop.as_written.roles import Role, role_of


class Unbound(Exception):
    """A function asks for something that is not known."""


@lru_cache(maxsize=256)
def returned_names(function: Callable[..., Any]) -> Sequence[str]:
    """Return the names in the return statement that has most of them: ``["A2", "cache"]``; empty where none has any."""
    found = list[str]()
    for node in _own_statements(definition_of(function)):
        if isinstance(node, ast.Return) and node.value is not None:
            parts = node.value.elts if isinstance(node.value, ast.Tuple | ast.List) else [node.value]
            names = [part.id if isinstance(part, ast.Name) else "" for part in parts]
            found = names if any(names) and sum(map(bool, names)) >= sum(map(bool, found)) else found
    return found


def returns_several(function: Callable[..., Any]) -> bool:
    """Say whether the last of two values that a function returns is written as a dict, a tuple or a list."""
    returned = [n.value for n in _own_statements(definition_of(function)) if isinstance(n, ast.Return)]
    pairs = [value.elts for value in returned if isinstance(value, ast.Tuple) and len(value.elts) == 2]
    return any(isinstance(last, ast.Dict | ast.Tuple | ast.List) for _, last in pairs)


def _own_statements(outer: ast.AST) -> list[ast.AST]:
    """Return the nodes of a function without those of functions inside it."""
    found, waiting = list[ast.AST](), list(ast.iter_child_nodes(outer))
    while waiting:
        node = waiting.pop(0)
        if not isinstance(node, ast.FunctionDef | ast.Lambda | ast.ClassDef):
            found.append(node)
            waiting += ast.iter_child_nodes(node)
    return found


def bound_call(function: Callable[..., Any], names: Mapping[str, Any], roles: Mapping[Role, Any]) -> Any:
    """Call a function with what its arguments are called, else with what they mean.

    Raises `Unbound` where an argument without a default is neither.
    """
    positional, keywords = list[Any](), dict[str, Any]()
    used = set[Role]()
    samples = _samples(function, names, roles)
    for place, p in enumerate(parameters(function) or []):
        role = Role.DATA if p.name == samples else _meant(p.name, roles)
        if p.name in names:
            value = names[p.name]
        elif (
            role in roles
            and (p.default is p.empty or role in (Role.RATE, Role.EPOCHS, Role.BATCH))
            and role not in used
        ):
            value = roles[role]
            used.add(role)
        elif p.default is not p.empty:
            continue
        elif role is Role.OTHER and Role.CACHE in roles and Role.CACHE not in used:  # the forward pass's, by any name
            value = roles[Role.CACHE]
            used.add(Role.CACHE)
        else:
            raise Unbound(p.name)
        if p.kind is p.KEYWORD_ONLY or keywords or len(positional) != place:
            keywords[p.name] = value
        else:
            positional.append(value)
    return function(*positional, **keywords)


def _samples(function: Callable[..., Any], names: Mapping[str, Any], roles: Mapping[Role, Any]) -> str | None:
    """Return the one argument of a forward pass whose name does not tell, where no other one is the samples."""
    if Role.DATA not in roles or Role.CACHE in roles:
        return None
    taken = [p for p in parameters(function) or [] if p.default is p.empty and p.name not in names]
    unknown = [p.name for p in taken if _meant(p.name, roles) not in roles]
    return unknown[0] if len(unknown) == 1 and all(_meant(p.name, roles) is not Role.DATA for p in taken) else None


def _meant(name: str, roles: Mapping[Role, Any]) -> Role:
    role = role_of(name)
    if role is Role.OUTPUT and Role.OUTPUT not in roles and Role.TARGETS in roles:
        return Role.TARGETS
    return Role.DATA if role is Role.PAIRS else role


def bind(names: Sequence[str], value: Any) -> dict[str, Any]:
    """Return what a function returned under the names of its return statement."""
    if len(names) == 1 and names[0]:
        return {names[0]: value}
    if isinstance(value, tuple | list) and len(value) == len(names):
        return {name: v for name, v in zip(names, value, strict=True) if name}
    return {}


def is_float(value: Any) -> bool:
    """Say whether a value is a loss: a number, or an array with a single entry."""
    if isinstance(value, bool):
        return False
    return isinstance(value, int | float | np.number) or (isinstance(value, np.ndarray) and value.size == 1)
