"""Layers as two functions: ``out, cache = affine_forward(x, w, b)``, ``dx, dw, db = affine_backward(dout, cache)``.

Each pair becomes a class with a ``forward`` and a ``backward`` method, so that it is judged as any other layer: its
weights and biases are attributes, and the gradients that the backward function returns belong to what the forward
function takes, in the same order.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np

from gdprops.subjects.backprop.as_written.calls import parameters
from gdprops.subjects.backprop.as_written.roles import Role, role_of

FORWARD = re.compile(r"(\w+?)_?(forward|fwd|forward_pass|forward_propagation)(_\w+)?", re.IGNORECASE)
BACKWARD = "backward", "bwd", "backward_pass", "backward_propagation", "back", "backprop"
IS_WEIGHT = re.compile(r"w|weights?|kernel|u", re.IGNORECASE)
IS_SHIFT = re.compile(r"b|bias(es)?|shift", re.IGNORECASE)
IS_SCALE = re.compile(r"gamma|beta|scale", re.IGNORECASE)
OPTIONS = {"mode": "train", "p": 0.5, "eps": 1e-5, "momentum": 0.9, "seed": 7, "dropout_rate": 0.5, "training": True}
"""What a dict of options holds that a layer asks for."""


class Pair(NamedTuple):
    """The two functions of a layer."""

    forward: Callable[..., Any]
    backward: Callable[..., Any]


def function_layers(own: Mapping[str, Any]) -> dict[str, type]:
    """Return the layers of a file that are pairs of functions, as classes, by the common part of their names."""
    functions = {name: value for name, value in own.items() if inspect.isfunction(value)}
    found: dict[str, type] = {}
    for name, forward in functions.items():
        match = FORWARD.fullmatch(name)
        if match is None:
            continue
        backward = _backward_of(match, functions)
        if backward is not None and _is_pair(forward, backward):
            found[f"{match.group(1)}{match.group(3) or ''}"] = _layer(name, Pair(forward, backward))
    return found


def _backward_of(match: re.Match[str], functions: Mapping[str, Callable[..., Any]]) -> Callable[..., Any] | None:
    """Return the function whose name differs from that of a forward function in this word alone."""
    name, at = match.group(0), match.span(2)
    names = (f"{name[: at[0]]}{word}{name[at[1] :]}" for word in BACKWARD)
    return next((functions[one] for one in names if one in functions), None)


def _is_pair(forward: Callable[..., Any], backward: Callable[..., Any]) -> bool:
    """Say whether functions are those of a layer: samples come first, and a gradient comes back with a cache or input.

    A network's own forward and backward functions get its parameters, or the targets.
    """
    taken, handed = parameters(forward) or [], parameters(backward) or []
    if not taken or len(handed) < 2 or any(role_of(p.name) is Role.TARGETS for p in handed):
        return False
    roles = {role_of(p.name) for p in (*taken, *handed)} - {role_of(p.name) for p in taken[:1]}
    plain_weights = {p.name for p in (*taken, *handed) if IS_WEIGHT.fullmatch(p.name)}
    return Role.PARAMS not in roles or bool(plain_weights)


def _layer(name: str, pair: Pair) -> type:
    """Return a pair of functions as the class of a layer."""
    taken = parameters(pair.forward) or []
    weights = [p.name for p in taken[1:] if _shape_of(p.name, 1, 1) is not None]

    class FunctionLayer:
        """A layer whose two methods call two functions of the user's."""

        functions: ClassVar[Pair] = pair
        parameters: ClassVar[list[str]] = weights

        def __init__(self, n_in: int, n_out: int) -> None:
            for k, one in enumerate(weights):
                shape = _shape_of(one, n_in, n_out) or ()
                count = int(np.prod(shape))
                setattr(self, one, 0.1 * (1 + (np.arange(count, dtype=np.float64) + k) % 5).reshape(shape))

        def forward(self, x: Any) -> Any:
            """Return the output, and keep what the backward function asks for."""
            given = [x, *(vars(self)[p.name] if p.name in weights else _option(p) for p in taken[1:])]
            found = pair.forward(*given)
            out, cache = found if isinstance(found, tuple) and len(found) == 2 else (found, None)
            self.kept = {"cache": cache, "x": x, "out": out, "output": out, taken[0].name: x}
            self.kept |= {p.name: value for p, value in zip(taken, given, strict=True)}
            return out

        def backward(self, dout: Any) -> Any:
            """Return the derivative by the input, and then those by the weights in their order."""
            handed = (parameters(pair.backward) or [])[1:]
            rest = [_kept(self.kept, p) for p in handed if p.default is p.empty]
            found = pair.backward(dout, *rest)
            if not isinstance(found, tuple):
                return found
            order = [p.name for p in taken[1:] if p.name in weights]
            return found[: 1 + len(order)]

    FunctionLayer.__name__ = FunctionLayer.__qualname__ = name
    FunctionLayer.__module__ = pair.forward.__module__
    return FunctionLayer


def _kept(kept: Mapping[str, Any], p: inspect.Parameter) -> Any:
    return kept[p.name] if p.name in kept else kept["cache"] if kept["cache"] is not None else kept["x"]


def _shape_of(name: str, n_in: int, n_out: int) -> tuple[int, ...] | None:
    """Return the shape of a weight or bias by its name; None for what is neither."""
    if IS_WEIGHT.fullmatch(name):
        return n_in, n_out
    return (n_out,) if IS_SHIFT.fullmatch(name) else (n_in,) if IS_SCALE.fullmatch(name) else None


def _option(p: inspect.Parameter) -> Any:
    if p.default is not p.empty:
        return p.default
    return dict(OPTIONS) if "param" in p.name or p.name in ("config", "options", "cfg") else 0.5


def called_by_hand(found: type, leaves: Mapping[str, Any], x: str, c: str) -> list[str] | None:
    """Return the two calls as Python text, with what the weights are; None for a layer that is no pair of functions."""
    pair = getattr(found, "functions", None)
    if not isinstance(pair, Pair):
        return None
    taken = [p.name for p in parameters(pair.forward) or []]
    handed = [p.name for p in parameters(pair.backward) or [] if p.default is p.empty]
    given = [x if k == 0 else name if name in leaves else repr(_option(p)) for k, (name, p) in _numbered(pair.forward)]
    lines = [f"{name} = np.array({np.asarray(value).tolist()})" for name, value in leaves.items()]
    lines += [f"{taken[0]} = {x}"] if taken[0] in handed else []
    lines.append(f"out, cache = {pair.forward.__name__}({', '.join(given)})")
    known = {"cache", "out", taken[0], *leaves}
    rest = [name if name in known else "cache" for name in handed[1:]]
    return [*lines, f"{pair.backward.__name__}({', '.join([c, *rest])})"]


def _numbered(function: Callable[..., Any]) -> list[tuple[int, tuple[str, inspect.Parameter]]]:
    return list(enumerate((p.name, p) for p in parameters(function) or []))
