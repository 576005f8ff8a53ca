"""Functions over a list of layers, as a class: ``predict(network, x)`` and ``train(network, loss, loss_prime, x, y)``.

The layers stand in another file; the functions only pass from one to the next. With the list, the loss and its slope
as attributes, they are methods of a network, which is put together from the building blocks beside the file.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from gdprops.subjects.backprop.as_written.assembly import LAYERS, LOSSES, OPTIMIZERS, STANDS_FOR
from gdprops.subjects.backprop.as_written.calls import parameters
from gdprops.subjects.backprop.as_written.roles import FORWARD, TRAIN, Role, called, role_of


def layer_functions(own: Mapping[str, Any]) -> type | None:
    """Return functions that take a list of layers, and the loss beside it, as a class; None where there are none."""
    functions = {name: value for name, value in own.items() if inspect.isfunction(value) and _at(value, LAYERS)}
    forward = next(iter(called([n for n, f in functions.items() if not _has_targets(f)], FORWARD)), None)
    train = next(iter(called([n for n, f in functions.items() if _has_targets(f)], TRAIN)), None)
    if forward is None or train is None:
        return None
    methods = {name: _method(functions[name]) for name in (forward, train)}
    held = [p.name for p in parameters(functions[train]) or [] if _is_held(p.name)]
    return type(
        "Network",
        (),
        {
            "__init__": _beginning(held),
            "__module__": functions[train].__module__,
            "__doc__": f"{STANDS_FOR} {forward} and {train} of the file, called with these layers",
            **methods,
        },
    )


def _at(function: Callable[..., Any], pattern: Any) -> str:
    return next((p.name for p in parameters(function) or [] if pattern.fullmatch(p.name)), "")


def _has_targets(function: Callable[..., Any]) -> bool:
    return any(role_of(p.name) is Role.TARGETS for p in parameters(function) or [])


def _is_held(name: str) -> bool:
    return bool(LAYERS.fullmatch(name) or LOSSES.fullmatch(name) or OPTIMIZERS.fullmatch(name))


SELF = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)


def _signed(function: Any, taken: list[inspect.Parameter]) -> Any:
    function.__signature__ = inspect.Signature([SELF, *(p.replace(annotation=p.empty) for p in taken)])
    return function


def _beginning(names: list[str]) -> Any:
    def begin(self: Any, **given: Any) -> None:
        self.held = given

    keyword = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return _signed(begin, [inspect.Parameter(name, keyword) for name in names])


def _method(function: Callable[..., Any]) -> Any:
    """Return a function as a method: what the object holds is given by its name, the list of layers by any."""
    taken = parameters(function) or []
    free = [p for p in taken if not _is_held(p.name)]
    layers = _at(function, LAYERS)

    def method(self: Any, *args: Any, **given: Any) -> Any:
        values = dict(zip((p.name for p in free), args, strict=False)) | given
        held = {p.name: self.held[p.name] for p in taken if p.name in self.held}
        held[layers] = next(value for name, value in self.held.items() if LAYERS.fullmatch(name))
        return function(**held, **values)

    method.__name__ = function.__name__
    return _signed(method, free)
