"""The code of a fault, and beside it the code that does the same right: what pages and `gdprops show FAULT` show.

A fault that is a class overrides methods of a correct class: right are the methods that it overrides. A fault that is a
function stands beside correct twins: right is the twin whose lines are most like the fault's.
"""

from __future__ import annotations

import difflib
import inspect
import re
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from types import CodeType
from typing import Any, NamedTuple, final

from gdprops.faults import bank, twins
from gdprops.faults.backprop.numpy_networks import gradients
from gdprops.faults.fault import Fault, Twin
from gdprops.model.traits import rule_of
from gdprops.numerics.published.table import PUBLISHED

_OF_A_SUBJECT = ("user_object", "build", "step", "gradients")
"""Where subjects keep the user's own class or function."""


CLEARLY_ALIKE = 0.7
"""From which likeness on, of at most 1, wrong and right code differ in what matters only."""


class Shown(NamedTuple):
    """The wrong code, the right code, and what the right code is the code of."""

    wrong: str
    right: str
    right_name: str


@cache
def known_faults() -> dict[str, Fault]:
    """Return every fault by name."""
    return {fault.name: fault for fault in bank()}


@cache
def shown(name: str) -> Shown:
    """Return the code of a fault and of what does the same right."""
    code, wrong = code_of(known_faults()[name]), source_of(code_of(known_faults()[name]).code)
    if code.rule:
        step = PUBLISHED[rule_of(code.rule)].step
        return Shown(wrong, source_of(step), f"the published rule {rule_of(code.rule)}")
    if inspect.isclass(code.code):
        base, methods = _overridden(code.code)
        return Shown(wrong, "\n\n".join((f"class {base}:", *(textwrap.indent(m, "    ") for m in methods))), base)
    like = [other for other in _twins() if (other[1].kind, other[1].role) == (code.kind, code.role)]
    if not like:  # gradients that are written by hand have no twin of their own
        return Shown(wrong, source_of(gradients), "gradients written by hand")
    twin, right = max(((twin, source_of(other.code)) for twin, other in like), key=lambda pair: _alike(wrong, pair[1]))
    return Shown(wrong, right, twin)


def clearest(names: Iterable[str]) -> str:
    """Return the first fault that differs little from what is right and calls no helper that is not shown.

    Where there is none, the one whose code, wrong and right, has the fewest lines.
    """
    known = list(names)
    alike = (name for name in known if not _is_partial(name) and _alike(*shown(name)[:2]) > CLEARLY_ALIKE)
    return next(alike, None) or min(known, key=lambda name: len((shown(name).wrong + shown(name).right).splitlines()))


def _is_partial(name: str) -> bool:
    """Say whether the wrong or the right code of a fault calls a function of this package, which is not shown."""
    found = code_of(known_faults()[name])
    right = next((other.code for twin, other in _twins() if twin == shown(name).right_name), None)
    return any(_calls_ours(code) for code in (found.code, right) if inspect.isfunction(code))


def _calls_ours(function: Any) -> bool:
    inner = inspect.unwrap(function)
    used = set(_names_in(inner.__code__)) - {inner.__name__}
    known = (inner.__globals__.get(name) for name in used)
    return any(inspect.isfunction(one) and one.__module__.startswith("gdprops.faults") for one in known)


def _names_in(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names_in(constant)


@final
@dataclass(frozen=True, slots=True)
class Code:
    """The class or function that an example consists of: its kind, its role in the example, the published rule."""

    code: Any
    kind: str
    role: str
    rule: str


def code_of(example: Fault | Twin) -> Code:
    """Return what a fault or twin consists of."""
    if example.script is not None:
        return Code(example.script, "script", "", "")
    if example.subject is None:
        return Code(example.system, "system", "", "")
    made = example.subject()
    role, code = next((role, getattr(made, role)) for role in _OF_A_SUBJECT if getattr(made, role, None) is not None)
    rule = made.rule or "" if role == _OF_A_SUBJECT[0] and inspect.isfunction(code) else ""
    return Code(code, made.kind, role, rule if rule_of(rule) in PUBLISHED else "")


@cache
def _twins() -> tuple[tuple[str, Code], ...]:
    """Return every twin that is a function."""
    found = ((twin.name, code_of(twin)) for twin in twins())
    return tuple((name, code) for name, code in found if inspect.isfunction(code.code))


@cache
def right_twins() -> dict[str, str]:
    """Return the code of every right twin by name."""
    return {twin.name: source_of(code_of(twin).code) for twin in twins()}


def source_of(code: Any) -> str:
    """Return the source of a class or function; what a library provides is shown by its name."""
    try:
        return textwrap.dedent(inspect.getsource(inspect.unwrap(code))).rstrip()
    except (OSError, TypeError):
        return str(getattr(code, "__qualname__", code))


def _overridden(code: type) -> tuple[str, list[str]]:
    """Return the correct class that a fault derives from, and those of its methods that the fault overrides."""
    names = [name for name, value in vars(code).items() if inspect.isfunction(value)]
    methods, holders = [], []
    for name in names:
        holder = next((base for base in code.__mro__[1:] if name in vars(base)), None)
        if holder is not None and holder is not object and holder.__module__.startswith("gdprops."):
            methods.append(source_of(vars(holder)[name]))
            holders.append(holder.__name__)
    return (holders[0] if holders else code.__mro__[1].__name__), methods or ["..."]


def _alike(wrong: str, right: str) -> float:
    """Return how alike two functions are, their names and descriptions left out."""
    return difflib.SequenceMatcher(None, _body(wrong), _body(right), autojunk=False).ratio()


@cache
def _body(source: str) -> str:
    return re.sub(r'""".*?"""', "", source.partition(":\n")[2], flags=re.DOTALL)
