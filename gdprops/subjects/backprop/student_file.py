"""A file or notebook with functions ``loss``, and ``step`` or ``gradients``, as a subject: what students hand in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from gdprops.errors import SubjectCrash, SubjectTimeout, UsageError
from gdprops.model.identity import NO_ORIGIN
from gdprops.model.nearest_name import nearest
from gdprops.subjects.backprop.subject import Backprop, backprop
from gdprops.subjects.user_code.calling import Calls
from gdprops.subjects.user_code.definitions import definitions_of
from gdprops.subjects.user_code.helper_modules import HelperModules, helpers_of
from gdprops.subjects.user_code.importing import IMPORT_SECONDS, import_file
from gdprops.subjects.user_code.quiet import quiet
from gdprops.subjects.user_code.source import NOTEBOOK

DECLARED = ("shapes", "inputs", "outputs", "targets", "samples", "lr")
"""The names under which a file may declare more than its functions."""


def file_subject(path: str, given: Mapping[str, Any]) -> Backprop:
    """Return the functions ``loss``, ``step`` and ``gradients`` of a file as a subject.

    A file is imported; the cells of a notebook, which also do what it shows, are executed for their definitions only.

    Args:
        path: the file or notebook; a name in it that is bound to a `gdprops.backprop` subject is that subject.
        given: what `gdprops.backprop` takes beside the functions; it goes before what the file itself declares.

    Raises:
        UsageError: in one line, for a file that cannot be imported, lacks a function, or cannot be used.
    """
    helpers = helpers_of(Path(path))
    module = definitions_of(Path(path)).module if path.endswith(NOTEBOOK) else imported(path, helpers)
    bound = [value for value in vars(module).values() if isinstance(value, Backprop)]
    if len(bound) == 1 and not given:
        return replace(bound[0], name=path, spec=path)
    loss = _function(module, path, "loss")
    step, gradients = (vars(module).get(name) for name in ("step", "gradients"))
    if step is None and gradients is None:
        raise UsageError(
            f"{path} has neither step(params, X, y, lr) nor gradients(params, X, y){_near(module, 'step')}"
        )
    declared = {name: vars(module)[name] for name in DECLARED if _is_declaration(vars(module).get(name))}
    try:
        with helpers.present():
            made: Backprop = backprop(loss, step, gradients, **{**declared, **given, "name": path})
    except SubjectTimeout as hang:
        raise UsageError(f"{path}: {hang}") from hang
    functions = replace(made.functions, helpers=helpers)
    return replace(made, functions=functions, spec=path, hyperparameters=dict(given), origin=NO_ORIGIN)


def _is_declaration(value: Any) -> bool:
    """Say whether a value can be a declaration: an array that happens to have such a name is not one."""
    return isinstance(value, int | float | str | Mapping | list | tuple) or callable(value)


def _function(module: ModuleType, path: str, name: str) -> Any:
    found = vars(module).get(name)
    if not callable(found):
        raise UsageError(f"{path} has no function {name}(params, X, y){_near(module, name)}")
    return found


def _near(module: ModuleType, name: str) -> str:
    """Return the names of the file's own functions that are nearest to a missing one, for an error message."""
    own = [k for k, v in vars(module).items() if callable(v) and getattr(v, "__module__", "") == module.__name__]
    return nearest(name, own) or (f" (its functions: {', '.join(own)})" if own else "")


def imported(path: str, helpers: HelperModules) -> ModuleType:
    """Import a file quietly, within its time; its helpers are taken away again, for the next file's are others."""
    try:
        with helpers.present(), quiet(), Calls(IMPORT_SECONDS).to("importing it"):
            return import_file(Path(path))
    except SubjectTimeout as hang:
        raise UsageError(
            f'{path} takes more than {IMPORT_SECONDS:g} s to import: put what it runs under if __name__ == "__main__":'
        ) from hang
    except SubjectCrash as crash:
        raise UsageError(f"{path} cannot be imported: {crash}") from crash
