"""Turns a subject string into the object that it names, and back: names are imported, never evaluated."""

from __future__ import annotations

import hashlib
import importlib
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from gdprops.errors import UsageError, text_of
from gdprops.model.nearest_name import nearest
from gdprops.model.wording import on_one_line
from gdprops.subjects.user_code.black_box import RECORDER
from gdprops.subjects.user_code.process_changes import KEPT

IMPORT_SECONDS = 30.0
"""How long importing the user's code may take: a file that trains its network on import must not hold up others."""
LOADED = "gdprops_subject_"
"""The prefix of the names of modules that were loaded from a file."""


def import_name(spec: str) -> Any:
    """Return the object that ``module:attribute`` or ``file.py:attribute`` names."""
    where, colon, attribute = spec.rpartition(":")
    if not colon and (dotted := _dotted(spec)) is not None:
        where, colon, attribute = dotted
    if not colon or not where or not attribute:
        raise UsageError(f"subject={spec!r}; expected package.module:Name or path/to/file.py:name{_in_torch(spec)}")
    found: Any = import_module(where)
    for part in attribute.split("."):
        try:
            found = getattr(found, part)
        except AttributeError as error:
            raise UsageError(f"{where} has no {part!r}{nearest(part, dir(found))}") from error
    return found


def _dotted(spec: str) -> tuple[str, str, str] | None:
    """Return ``package.module.Name`` in parts; None where it names no module, or is a module itself."""
    where, dot, attribute = spec.rpartition(".")
    if not dot or not all(part.isidentifier() for part in spec.split(".")) or attribute == "py":
        return None
    try:
        known = importlib.util.find_spec(where) is not None
        found = getattr(import_module(where), attribute, None) if known else None
    except (ImportError, ValueError, AttributeError):
        return None
    return None if found is None or isinstance(found, ModuleType) else (where, ":", attribute)


def _in_torch(name: str) -> str:
    """Return the subject string of an optimizer of torch that has this name, as a question."""
    if not name.isidentifier() or importlib.util.find_spec("torch") is None:
        return ""
    found = getattr(importlib.import_module("torch.optim"), name, None)
    return f"; did you mean torch.optim:{name}?" if isinstance(found, type) else ""


def import_module(where: str) -> ModuleType:
    """Return the module that a dotted name or a path to a file names. Raises `UsageError` in one line."""
    if where.endswith(".py"):
        return import_file(Path(where))
    if str(Path.cwd()) not in sys.path and "" not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        with RECORDER.noting(f"importing {where}", IMPORT_SECONDS, alone=True), KEPT.kept():
            return importlib.import_module(where)
    except ModuleNotFoundError as error:
        if error.name is not None and (where == error.name or where.startswith(error.name + ".")):
            known = [*sys.stdlib_module_names, *sys.modules]
            raise UsageError(f"no module is named {error.name!r}{nearest(error.name, known)}") from error
        raise UsageError(
            f"{where} cannot be imported: it needs the module {error.name!r}, which is not installed"
        ) from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise UsageError(f"{where} cannot be imported: {type(error).__name__}: {on_one_line(error)}") from error


def import_file(path: Path) -> ModuleType:
    """Return a file as a module, imported once for each text that it has had.

    Who mends a file and asks again in the same process, as in a notebook, is told about the file as it is now. Raises
    `UsageError` in one line where it cannot be imported.
    """
    if not os.path.isfile(path):  # which raises nothing, also where the path is too long for a file
        folder = path.parent if os.path.isdir(path.parent) else Path()
        near = nearest(path.name, [p.name for p in folder.glob("*.py")])
        raise UsageError(f"no such file: {text_of(path)}{near}")
    name = loaded_as(path)
    known = sys.modules.get(name)
    return known if known is not None and _is_current(known, path) else _load(name, path)


def _is_current(module: ModuleType, path: Path) -> bool:
    loader = module.__spec__ and module.__spec__.loader
    return not isinstance(loader, _FromItsText) or loader.text == content_of(path)


def content_of(file: Path) -> bytes:
    """Return what a file contains; one that is gone contains nothing."""
    return file.read_bytes() if file.is_file() else b""


def loaded_as(path: Path) -> str:
    """Return the name of the module as which a file is imported."""
    return f"{LOADED}{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]}"


class _FromItsText(importlib.machinery.SourceFileLoader):
    """Compiles the file as it is now, and leaves no ``__pycache__`` beside it.

    Python keeps what it compiled by the second and size of a file: what is saved twice within one would run as it was.
    """

    text = b""

    def get_code(self, fullname: str) -> CodeType:
        self.text = self.get_data(self.path)
        return self.source_to_code(self.text, self.path)


def _load(name: str, path: Path) -> ModuleType:
    loader = _FromItsText(name, str(path)) if path.suffix == ".py" else None
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickling look the module up by its name
    sys.path.insert(0, str(path.resolve().parent))
    try:
        with RECORDER.noting(f"importing {path}", IMPORT_SECONDS, alone=True), KEPT.kept():
            spec.loader.exec_module(module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        sys.modules.pop(name, None)
        raise UsageError(f"{path} cannot be imported: {type(error).__name__}: {on_one_line(error)}") from error
    finally:
        sys.path.remove(str(path.resolve().parent))
    return module


def spec_of(found: Any) -> str:
    """Return the subject string of an object: the module, or the file that was imported, and the name in it."""
    where = typed_module(getattr(found, "__module__", None) or "?")
    return f"{where}:{getattr(found, '__qualname__', type(found).__name__)}"


def typed_module(name: str) -> str:
    """Return what a user types for a module: the path of a file that was imported by its path, else the name."""
    file = getattr(sys.modules.get(name), "__file__", None)
    return file if name.startswith(LOADED) and file else name


def module_typed(where: str) -> ModuleType | None:
    """Return the module that was imported by a name or by the path of a file, None where none was."""
    return sys.modules.get(loaded_as(Path(where)) if where.endswith(".py") else where)


def label(found: Any, hyperparameters: Mapping[str, Any]) -> str:
    """Return a subject's name in reports: the subject string of its definition, and its hyperparameters."""
    return label_of(spec_of(found), hyperparameters)


def label_of(spec: str, hyperparameters: Mapping[str, Any]) -> str:
    """Return ``spec(key=value, …)``."""
    inside = ", ".join(f"{key}={value!r}" for key, value in hyperparameters.items())
    return f"{spec}({inside})" if inside else spec
