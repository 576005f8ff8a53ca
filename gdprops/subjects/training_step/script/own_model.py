"""A case of the user's own model as a plain Python script: it loads the drawn numbers, and trains as gdprops did."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gdprops.numerics.decisions import DOUBLE
from gdprops.subjects import script_lines
from gdprops.subjects.training_step.declaration import Declaration

if TYPE_CHECKING:
    from gdprops.model.case import OwnCase
    from gdprops.model.evidence import Compared, Evidence

PLACE = """with torch.no_grad():
    for name, t in (*model.named_parameters(), *model.named_buffers()):
        if f"model.{name}" in held:
            t.copy_(tensor(f"model.{name}"))"""


def whereabouts(declared: Declaration) -> str:
    """Return the subject string of a training step: of a subject bound in its module, or else of its ``build``."""
    where, _, attribute = declared.spec.rpartition(":")
    module = sys.modules.get(declared.build.__module__)
    if where == "__main__":
        where = getattr(module, "__file__", None) or where
    return f"{where}:{_bound(module, declared) or attribute}"


def _bound(module: Any, declared: Declaration) -> str | None:
    """Return the name to which a module binds this training step, or one with an equal declaration."""
    return next((name for name, found in _names(module) if _declares_the_same(found, declared)), None)


def _declares_the_same(found: Any, declared: Declaration) -> bool:
    keys = ("build", "name", "rule_factory", "lr", "clip_norm", "clip_value", "accumulate", "own")
    other = declaration_of(found)
    return other is not None and all(getattr(other, key) is getattr(declared, key) for key in keys)


def declaration_of(found: Any) -> Declaration | None:
    """Return the declaration of a training step, None for any other object."""
    stated = getattr(found, "declaration", None)
    return stated if isinstance(stated, Declaration) else None


def _names(module: Any) -> list[tuple[str, Any]]:
    return [] if module is None else list(vars(module).items())


class _Names:
    """The names that the user's functions and models have in the module of their ``build``."""

    def __init__(self, declared: Declaration) -> None:
        self._module = sys.modules.get(declared.build.__module__)
        self.where = whereabouts(declared).rpartition(":")[0]
        self._whole = _bound(self._module, declared)
        self.imported = list[str]()

    def of(self, value: Any, inside: str) -> str:
        """Return a value's own name in the module, or else its path inside the subject."""
        name = next((name for name, found in _names(self._module) if found is value and name.isidentifier()), None)
        if name is None and self._whole is None:
            return f"...  # {inside.rpartition('.')[2]} of the training step has no name in {self.where}"
        self.imported.append(name or str(self._whole))
        return name or f"{self._whole}.{inside}"

    def lines(self) -> list[str]:
        """Return the lines that import the names asked for so far."""
        names = sorted(set(self.imported))
        if not names:
            return []
        if self.where.endswith(".py"):
            return ["import runpy", f"found = runpy.run_path({self.where!r})", *(f"{n} = found[{n!r}]" for n in names)]
        return [f"from {self.where} import {', '.join(names)}"]


def own_script(declared: Declaration, case: OwnCase, arrays: str | None, evidence: Evidence) -> str:
    """Return the script of a case whose numbers are in the file ``arrays``; empty where there is no such file."""
    if arrays is None:
        return ""
    names = _Names(declared)
    body = [*_model(declared, case, names), *_steps(declared, case, evidence, names), *_told(evidence)]
    load = [f"held = np.load({arrays!r}, allow_pickle=False)", "tensor = lambda key: torch.from_numpy(held[key])"]
    return "\n".join(["import numpy as np", "import torch", *names.lines(), "", *load, *body]) + "\n"


def _model(declared: Declaration, case: OwnCase, names: _Names) -> Iterator[str]:
    """Yield the lines that build the model, fill in its numbers, and build the step."""
    own, double = declared.own, ".double()" if case.precision == DOUBLE else ""
    if own is None:
        return
    source = names.of(own.models, "own.models")
    if case.form:
        yield "from gdprops.scripts import model_like"
    yield f"torch.manual_seed({case.plan.seed})"
    if case.form:
        yield f"model = model_like({source}, {case.form!r}){double}"
    else:
        yield f"model = {source}(){double}" if "#" not in source else f"model = {source}"
    yield PLACE
    key = "loss" if own.objective is None else "objective"
    yield f"{key} = {names.of(getattr(own, key), f'own.{key}')}"
    yield f"built = {names.of(declared.build, 'build')}(model, {key})"
    yield "step = built[0] if isinstance(built, tuple) else built"


def _steps(declared: Declaration, case: OwnCase, evidence: Evidence, names: _Names) -> Iterator[str]:
    """Yield the calls of ``step``, up to the wrong one."""
    location = evidence.location
    last = len(case.batches) if location is None or location.step is None else location.step
    for window in case.batches[:last]:
        for number, given in enumerate(window, start=1):
            told = f", last={number == len(window)}" if declared.habits.told_last else ""
            yield f"step({_arguments(declared, case, given, names)}{told})"


def _arguments(declared: Declaration, case: OwnCase, given: Any, names: _Names) -> str:
    if not isinstance(given, int):
        return ", ".join(_written(part) for part in given["tuple"])
    source = names.of(None if declared.own is None else declared.own.batches, "own.batches")
    if case.precision != DOUBLE:
        return f"*{source}({given})"
    return f"*__import__('gdprops.scripts', fromlist=['doubled']).doubled({source}({given}))"


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


def _told(evidence: Evidence) -> Iterator[str]:
    """Yield the lines that print the worst parameter, as it is and as it is expected."""
    location = evidence.location
    if location is None:
        yield "print({name: p.tolist() for name, p in model.named_parameters()})"
        yield f"# {evidence.reason}"
        return
    yield f"print('seen    ', dict(model.named_parameters())[{location.parameter!r}].tolist())"
    whole = next((c for c in evidence.compared if c.parameter == location.parameter and c.expected), None)
    at = f"{location.parameter}{list(location.index) if location.index else ''}"
    if whole is not None:
        yield f"print('expected', {_nested(whole)})"
    yield f"# the worst entry, {at}: {location.seen} was seen, {location.expected} is expected"


def _nested(whole: Compared) -> str:
    import numpy as np

    return script_lines.literal(np.asarray(whole.expected).reshape(whole.shape))
