"""A case of the user's own model as a plain Python script: it loads the drawn numbers, and trains as gdprops did."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from gdprops.numerics.decisions import DOUBLE
from gdprops.subjects.script_lines import Written
from gdprops.subjects.training_step.declaration import Declaration
from gdprops.subjects.training_step.script.ending import bodies, built_line
from gdprops.subjects.user_code.importing import module_typed, typed_module

if TYPE_CHECKING:
    from gdprops.model.case import OwnCase
    from gdprops.model.evidence import Evidence

PLACE = """with torch.no_grad():
    for name, t in (*model.named_parameters(), *model.named_buffers()):
        if f"model.{name}" in held:
            t.copy_(tensor(f"model.{name}"))"""


def whereabouts(declared: Declaration) -> str:
    """Return the subject string of a training step: of a subject bound in its module, or else of its ``build``."""
    where, _, attribute = declared.spec.rpartition(":")
    if where == "__main__":
        where = getattr(_home(declared), "__file__", None) or where
    return f"{where}:{_bound(declared) or attribute}"


def _home(declared: Declaration) -> Any:
    """Return the module of the subject string, or else that of ``build``, which may come from another one."""
    return module_typed(declared.spec.rpartition(":")[0]) or sys.modules.get(declared.build.__module__)


def _bound(declared: Declaration) -> str | None:
    """Return the name to which its module binds this training step, or one with an equal declaration."""
    names = [name for name, found in _names(_home(declared)) if _declares_the_same(found, declared)]
    typed = declared.spec.rpartition(":")[2]
    return typed if typed in names else next(iter(names), None)


def is_bound(declared: Declaration) -> bool:
    """Say whether a module binds this training step to a name."""
    return _bound(declared) is not None


def _declares_the_same(found: Any, declared: Declaration) -> bool:
    keys = ("build", "rule_factory", "lr", "clip_norm", "clip_value", "accumulate", "micro", "counts", "own")
    other = declaration_of(found)
    stated = (declared.parameters, declared.schedule, declared.phases, declared.average)
    if other is None or (other.parameters, other.schedule, other.phases, other.average) != stated:
        return False
    return all(getattr(other, key) is getattr(declared, key) for key in keys)


def declaration_of(found: Any) -> Declaration | None:
    """Return the declaration of a training step, None for any other object."""
    stated = getattr(found, "declaration", None)
    return stated if isinstance(stated, Declaration) else None


def _names(module: Any) -> list[tuple[str, Any]]:
    return [] if module is None else list(vars(module).items())


class _Names:
    """The names that the user's functions and models have, in the module of their ``build`` or where they come from."""

    def __init__(self, declared: Declaration) -> None:
        self._module = _home(declared)
        self.where = whereabouts(declared).rpartition(":")[0]
        self._whole = _bound(declared)
        self.imported = dict[str, str]()
        self.bound = dict[str, Any]()

    def of(self, value: Any, inside: str) -> str | None:
        """Return a value's own name in the module, or its path inside the subject, or its home; None without a name."""
        name = next((name for name, found in _names(self._module) if found is value and name.isidentifier()), None)
        if name is not None or self._whole is not None:
            self._keep(name or str(self._whole), self.where, vars(self._module)[name or str(self._whole)])
            return name or f"{self._whole}.{inside}"
        if type(value).__module__.startswith("torch.nn.") and not getattr(value, "_parameters", True):
            return f"torch.nn.{value!r}"
        home, name = getattr(value, "__module__", ""), getattr(value, "__name__", "")
        if getattr(sys.modules.get(home), name, None) is not value:
            return None
        self._keep(name, typed_module(home), value)
        return name

    def _keep(self, name: str, where: str, value: Any) -> None:
        self.imported[name], self.bound[name] = where, value

    def lines(self) -> list[str]:
        """Return the lines that import the names asked for so far."""
        return [line for where in dict.fromkeys(self.imported.values()) for line in self._from(where)]

    def _from(self, where: str) -> list[str]:
        names = sorted(name for name, home in self.imported.items() if home == where)
        if where.endswith(".py"):
            return ["import runpy", f"found = runpy.run_path({where!r})", *(f"{n} = found[{n!r}]" for n in names)]
        return [f"from {where} import {', '.join(names)}"]


def own_scripts(declared: Declaration, case: OwnCase, arrays: str | None, evidence: Evidence) -> Iterator[Written]:
    """Yield scripts of a case whose numbers are in the file ``arrays``; none where there is no such file."""
    names, own = _Names(declared), declared.own
    if arrays is None or own is None:
        return
    key = "loss" if own.objective is None else "objective"
    source, goal = names.of(own.models, "own.models"), names.of(getattr(own, key), f"own.{key}")
    named = any(isinstance(given, int) for window in case.batches for given in window)
    build, batches = names.of(declared.build, "build"), names.of(own.batches, "own.batches") if named else ""
    if source is None or goal is None or build is None or batches is None:
        return
    load = [f"held = np.load({arrays!r}, allow_pickle=False)", "tensor = lambda key: torch.from_numpy(held[key])"]
    model = [
        *load,
        *_model(case, source),
        f"{key} = {goal}",
        f"built = {build}(model, {key})",
        built_line(declared.habits.step_at),
    ]
    calls = _calls(declared, case, batches)
    parameters = [name for name, _ in own.models().named_parameters()]
    head = ["import numpy as np", "import torch", *names.lines()]
    loaded = names.where.endswith(".py") or "__main__" in names.where
    bound = {"np": np, "torch": torch, **names.bound} if loaded else {}
    dtype = "float64" if case.precision == DOUBLE else "float32"
    for body, crashes in bodies(model, calls, evidence, parameters, [""] * len(calls)):
        yield Written(head, body, dtype, crashes, bound)


def _model(case: OwnCase, source: str) -> Iterator[str]:
    """Yield the lines that build the model and fill in its numbers."""
    double = ".double()" if case.precision == DOUBLE else ""
    if case.form:
        yield "from gdprops.script_imports import model_like"
    yield f"torch.manual_seed({case.plan.seed})"
    yield f"model = model_like({source}, {case.form!r}){double}" if case.form else f"model = {source}(){double}"
    yield from PLACE.splitlines()


def _calls(declared: Declaration, case: OwnCase, batches: str) -> list[list[str]]:
    """Return the calls of ``step`` for each logical step."""
    told = [
        [f", last={number == len(window)}" if declared.habits.told_last else "" for number in range(1, len(window) + 1)]
        for window in case.batches
    ]
    return [
        [f"step({_arguments(case, given, batches)}{last})" for given, last in zip(window, lasts, strict=True)]
        for window, lasts in zip(case.batches, told, strict=True)
    ]


def _arguments(case: OwnCase, given: Any, batches: str) -> str:
    if not isinstance(given, int):
        return ", ".join(_written(part) for part in given["tuple"])
    if case.precision != DOUBLE:
        return f"*{batches}({given})"
    return f"*__import__('gdprops.script_imports', fromlist=['doubled']).doubled({batches}({given}))"


def _written(held: dict[str, Any]) -> str:
    """Return the Python expression that builds a saved structure again."""
    ((kind, inside),) = held.items()
    if kind == "tensor":
        return f"tensor({inside!r})"
    if kind == "value":
        return repr(inside)
    if kind == "dict":
        return f"{{{', '.join(f'{name!r}: {_written(one)}' for name, one in inside)}}}"
    parts = ", ".join(_written(one) for one in inside)
    return f"[{parts}]" if kind == "list" else f"({parts},)" if inside else "()"
