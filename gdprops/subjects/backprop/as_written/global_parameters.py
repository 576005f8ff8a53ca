"""Functions that read their parameters as global variables: ``def backward(X, Y, cache): … parameters["W2"]``.

The script binds them, and is not run: they are put there before each call. What a function binds anew under such a name
(``global W1``) is taken from there afterwards.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gdprops.subjects.backprop.as_written.roles import Role, role_of

if TYPE_CHECKING:
    from gdprops.subjects.backprop.as_written.parameter_sets import ParameterSet


def global_names(function: Callable[..., Any]) -> list[str]:
    """Return the names that a function reads as global variables which hold no functions, classes or modules."""
    read = [name for name in function.__code__.co_names if name not in function.__code__.co_varnames]
    known = function.__globals__
    return [n for n in read if n not in known or isinstance(known[n], np.ndarray | dict | list | tuple)]


def global_parameters(function: Callable[..., Any], pattern: re.Pattern[str]) -> list[str]:
    """Return the global variables that a function reads under names of parameters, in the order of its text."""
    source = inspect.getsource(function)
    attributes = set(re.findall(r"\.\s*(\w+)", source))
    return [n for n in global_names(function) if pattern.fullmatch(n) and n not in attributes]


def in_globals(functions: Sequence[Callable[..., Any]], held: ParameterSet, root: Any) -> dict[str, Any]:
    """Return what the functions read as global variables of the parameters, by name."""
    read = {name for function in functions for name in global_names(function)}
    if held.names:
        return {name: value for name, value in held.by_name(root).items() if name in read}
    return {name: root for name in read if role_of(name) is Role.PARAMS}


def rebound(functions: Sequence[Callable[..., Any]], held: ParameterSet, root: Any) -> Any:
    """Return the parameters after the functions ran: what is a global variable is taken from there."""
    known: Mapping[str, Any] = functions[0].__globals__
    shared = in_globals(functions, held, root)
    return (
        [known[n] if n in shared else value for n, value in zip(held.names, root, strict=True)] if held.names else root
    )
