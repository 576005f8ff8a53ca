"""Which arguments the user's functions and classes take, as far as they have a signature."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from inspect import Parameter
from typing import Any, ParamSpec, TypeVar

from gdprops.errors import UsageError
from gdprops.model.nearest_name import nearest

P = ParamSpec("P")
R = TypeVar("R")


def parameters_of(function: Callable[..., Any]) -> Mapping[str, Parameter] | None:
    """Return a function's parameters by name; None where it has no signature, as some built-in functions."""
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):
        return None


def defaults_of(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the arguments for which a function has a default, with these defaults."""
    taken = parameters_of(function) or {}
    return {name: p.default for name, p in taken.items() if p.default is not Parameter.empty}


def can_take(function: Callable[..., Any], *args: Any, **kwargs: Any) -> bool:
    """Say whether a function can be called with these arguments."""
    try:
        inspect.signature(function).bind(*args, **kwargs)
    except (TypeError, ValueError):
        return False
    return True


def signature_of_rule(factory: Callable[..., Any]) -> inspect.Signature:
    """Return the signature of an update rule: its keywords are the hyperparameters of a factory."""
    first = [Parameter(name, Parameter.POSITIONAL_OR_KEYWORD) for name in ("params", "grads", "state")]
    kinds = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
    taken = [p for p in inspect.signature(factory).parameters.values() if p.kind in kinds]
    return inspect.Signature([*first, *(p.replace(kind=Parameter.KEYWORD_ONLY) for p in taken)])


def with_known_keywords(function: Callable[P, R]) -> Callable[P, R]:
    """Let a function of gdprops raise `UsageError` in one line, with the nearest names, for a keyword it lacks."""

    @wraps(function)
    def called(*args: P.args, **kwargs: P.kwargs) -> R:
        require_keywords(function, kwargs, f"{function.__name__}()")
        return function(*args, **kwargs)

    return called


def require_keywords(function: Callable[..., Any], given: Mapping[str, Any], called: str) -> None:
    """Raise `UsageError` for a hyperparameter that a function does not take, with the nearest names."""
    taken = parameters_of(function)
    if taken is None or any(p.kind is Parameter.VAR_KEYWORD for p in taken.values()):
        return
    for name in given:
        if name not in taken:
            known = [k for k, p in taken.items() if k not in ("self", "params") and p.kind != p.POSITIONAL_ONLY]
            raise UsageError(
                f"{called} takes no hyperparameter {name!r}{nearest(name, known)} (it takes {', '.join(known)})"
            )
