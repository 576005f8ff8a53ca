"""What the user's code has changed in this process that gdprops itself computes with.

Where gdprops fails, or no longer tells right from wrong, the subject may be the cause: it may have replaced
``np.array_equal`` or ``json.dumps``, or have set a trace function. Then the report names what was changed, and does not
speak of a bug of gdprops.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import final

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment] # told apart where it is used

SPOILT = "the subject has changed what gdprops computes with"
"""How the sentence about such a subject begins."""
_WATCHED = (
    "builtins",
    "collections",
    "copy",
    "functools",
    "hypothesis",
    "itertools",
    "json",
    "math",
    "numpy",
    "numpy.linalg",
    "os",
    "pickle",
    "random",
    "signal",
    "struct",
    "threading",
    "time",
)
_SHORT = {"numpy": "np.", "builtins": ""}
"""What stands before the name of a function, where that is not its module."""
_MOST_NAMED = 3


@final
class Kept:
    """What no code of gdprops can do without, put back after each call of the user's code.

    Emptying ``sys.modules`` would let every later import make its own copy of gdprops; a low recursion limit would
    stop gdprops where it calls itself.
    """

    def __init__(self) -> None:
        self._table, self._modules, self._limit = sys.modules, dict(sys.modules), sys.getrecursionlimit()
        self.was_emptied = False
        """Whether modules had to be put back: those that the user's code itself had imported cannot be."""

    def note(self) -> None:
        """Note what there is before a call."""
        if len(self._table) > len(self._modules):
            self._modules = dict(self._table)
        self._limit = sys.getrecursionlimit()

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Put back what is missing after what runs inside this context."""
        self.note()
        try:
            yield
        finally:
            self.put_back()

    def put_back(self) -> None:
        """Put back what is missing after the call."""
        if sys.modules is not self._table:
            sys.modules = self._table
        if self._table.get("gdprops") is not self._modules.get("gdprops"):
            self._table.update(self._modules)
            self.was_emptied = True
        if sys.getrecursionlimit() < self._limit:
            sys.setrecursionlimit(self._limit)


KEPT = Kept()
"""Of this process: there is one table of modules."""


@final
class Changes:
    """The functions of some modules as they were before any of the user's code ran, and what has become of them."""

    def __init__(self) -> None:
        self._before: dict[str, dict[str, object]] = {}
        self._limits: dict[str, float] = {}
        self._trace: object = None

    def begin(self) -> None:
        """Keep what there is now."""
        self._before = {name: dict(_functions(owner)) for name, owner in _owners()}
        self._limits, self._trace = _limits(), sys.gettrace()

    def told(self, *, of_gdprops: bool = False) -> str:
        """Say in one line what was changed since `begin`, or only ``of_gdprops`` itself; an empty text for nothing."""
        found = [one for one in self._changed() if one.startswith("gdprops.") or not of_gdprops]
        more = f", and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
        return f"{SPOILT} ({', '.join(found[:_MOST_NAMED])}{more})" if found else ""

    def _changed(self) -> Iterator[str]:
        if not self._before:
            return
        if KEPT.was_emptied:
            yield "sys.modules was emptied"
        if sys.gettrace() is not self._trace:
            yield "a trace function was set"
        yield from (f"{name} was lowered" for name, most in _limits().items() if most < self._limits[name])
        now = dict(_owners())
        for name, functions in self._before.items():
            shown = _SHORT.get(name, f"{name}.")
            for key, function in functions.items():
                if name in now and vars(now[name]).get(key) is not function:
                    yield f"{shown}{key} was replaced"


def _limits() -> dict[str, float]:
    """Return what this process may use, as far as the platform limits it."""
    if resource is None:
        return {}
    names = ("RLIMIT_AS", "RLIMIT_DATA", "RLIMIT_FSIZE", "RLIMIT_NOFILE", "RLIMIT_STACK")
    found = {name: resource.getrlimit(getattr(resource, name))[0] for name in names}
    return {name: math.inf if most == resource.RLIM_INFINITY else most for name, most in found.items()}


def _owners() -> Iterator[tuple[str, ModuleType]]:
    for name in _WATCHED:
        module = sys.modules.get(name)
        if isinstance(module, ModuleType):
            yield name, module
    for name, module in list(sys.modules.items()):
        if name.startswith("gdprops.") and isinstance(module, ModuleType):
            yield name, module


def _functions(owner: ModuleType) -> Iterator[tuple[str, object]]:
    for key, value in list(vars(owner).items()):
        if callable(value) and not (key.startswith("_") and owner is not sys.modules.get("builtins")):
            yield key, value


CHANGES = Changes()
"""The changes of this process; nothing is kept before `Changes.begin`."""
