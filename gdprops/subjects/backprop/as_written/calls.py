"""How a function of the user's is called: which of its arguments gets the data, the targets, the learning rate.

Names tell most of it (`roles.py`). What they leave open is filled in the usual order, and tried.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, final

from gdprops.subjects.backprop.as_written.roles import Role, role_of

USUAL = (Role.DATA, Role.TARGETS, Role.RATE, Role.EPOCHS)
"""The order of arguments whose names do not tell."""
AFTER_FORWARD = (Role.TARGETS, Role.RATE, Role.EPOCHS, Role.DATA)
"""The same of what is called after the forward pass: it knows the samples."""
ZERO = "zero"
VALIDATION = re.compile(r"[xX]_?(val|valid|validation|test|dev)\w*|(val|valid|validation|test|dev)_?[xX]")
"""How samples are called with which training only measures itself."""


@final
@dataclass(frozen=True, slots=True)
class Plan:
    """Which value each argument gets: its name, and the role (or ``zero``) of the value."""

    arguments: tuple[tuple[str, Role | str], ...]
    keywords: frozenset[str] = frozenset()

    def call(self, function: Callable[..., Any], values: Mapping[Any, Any]) -> Any:
        """Call the function with the values of the roles."""
        positional = [values[role] for name, role in self.arguments if name not in self.keywords]
        named = {name: values[role] for name, role in self.arguments if name in self.keywords}
        return function(*positional, **named)

    def uses(self, role: Role) -> bool:
        """Say whether an argument has this role."""
        return any(one == role for _, one in self.arguments)

    @property
    def told(self) -> str:
        """The arguments by name, as a call is written."""
        return ", ".join(name for name, _ in self.arguments)


def parameters(function: Callable[..., Any]) -> list[inspect.Parameter] | None:
    """Return what a function takes by name, None where nobody knows."""
    return _parameters(function) if inspect.isfunction(function) else _parameters.__wrapped__(function)


@lru_cache(maxsize=1024)
def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter] | None:
    try:
        found = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return None
    return [p for p in found if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]


def takes(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """Return what a method takes beside the object."""
    return (parameters(function) or [])[1:]


def plans(function: Callable[..., Any], known: Sequence[Role], *, optional: Sequence[Role] = ()) -> Iterator[Plan]:
    """Yield the ways to call a function with values for the known roles; those that the names tell come first.

    Arguments with a default get a value only if their name tells a role in ``optional``; last, samples for validation
    do, which code may ask for although it need not be given them.
    """
    taken = parameters(function)
    if taken is None:
        return
    validates = any(p.default is not p.empty and VALIDATION.fullmatch(p.name) for p in taken)
    seen = set[Plan]()
    for more in ((), (Role.DATA,)) if validates and Role.DATA in known else ((),):
        for by_position in (False, True):
            for pairs in (False, True):
                found = _plan(taken, known, (*optional, *more), pairs=pairs, by_position=by_position)
                if found is not None and found not in seen:
                    seen.add(found)
                    yield found


ERROR = re.compile(
    r"d_?(e|l|j|c|err|loss|cost)_?d_?\w+|d_?(out\w*|vals?|values|z|a|y|h|l\w*|x)|(output_)?errors?\w*|upstream\w*|"
    r"\w*_?loss(_?grad\w*)?|dL|delta\w*|next_\w+|g|e",
    re.IGNORECASE,
)
"""How a derivative by the output is called that a network's backward pass gets."""


def _is_error(name: str) -> bool:
    return ERROR.fullmatch(name.strip("_")) is not None


def _plan(
    taken: Sequence[inspect.Parameter],
    known: Sequence[Role],
    optional: Sequence[Role],
    *,
    pairs: bool,
    by_position: bool,
) -> Plan | None:
    roles: list[Role | str] = [role_of(p.name) for p in taken]
    required = [p.default is p.empty for p in taken]
    if Role.GRADIENTS in known and Role.TARGETS not in roles:  # backward(dout): the derivative by the output
        handed = [k for k, (p, r) in enumerate(zip(taken, roles, strict=True)) if r is Role.OTHER and _is_error(p.name)]
        roles = [Role.GRADIENTS if k in handed[:1] else r for k, r in enumerate(roles)]
    if {"N", "M"} <= {p.name for p in taken}:  # the rate and the momentum of a program that many have copied
        roles = [{"N": Role.RATE, "M": ZERO}.get(p.name, r) for p, r in zip(taken, roles, strict=True)]
    if Role.TARGETS not in roles:  # train(inputs, outputs): the outputs are those that are wanted
        roles = [Role.TARGETS if r is Role.OUTPUT and Role.OUTPUT not in known else r for r in roles]
    if roles.count(Role.OUTPUT) and Role.TARGETS not in roles and Role.TARGETS in known and len(taken) > 1:
        roles[roles.index(Role.OUTPUT)] = Role.TARGETS
    paired = _with_pairs(roles, required, known) if pairs else [Role.DATA if r is Role.PAIRS else r for r in roles]
    if paired is None:
        return None
    roles = paired
    if by_position:
        usual = iter([r for r in (AFTER_FORWARD if Role.OUTPUT in known else USUAL) if r in known and r not in roles])
        for k, r in enumerate(roles):
            if required[k] and (r in (Role.OTHER, Role.ROWS) or roles[:k].count(r)):
                roles[k] = next(usual, ZERO)
    chosen = list[tuple[str, Role | str]]()
    keywords, skipped = set[str](), False
    for p, role, needed in zip(taken, roles, required, strict=True):
        if needed and role != ZERO and role not in known:
            return None
        if not needed and role not in optional:
            skipped = True
            continue
        chosen.append((p.name, role))
        if skipped or p.kind is p.KEYWORD_ONLY:
            keywords.add(p.name)
    return Plan(tuple(chosen), frozenset(keywords))


def _with_pairs(
    roles: Sequence[Role | str], required: Sequence[bool], known: Sequence[Role]
) -> list[Role | str] | None:
    """Return roles in which one argument gets the samples together with their targets; None where none can."""
    if Role.TARGETS in roles or Role.PAIRS not in known:
        return None
    where = [k for k, r in enumerate(roles) if r in (Role.DATA, Role.PAIRS) and required[k]]
    where = where or [k for k, r in enumerate(roles) if r is Role.OTHER and required[k]][:1]
    return [Role.PAIRS if k in where else r for k, r in enumerate(roles)] if len(where) == 1 else None
