"""The one name by which an object can be imported: the module or file that defines it, and its name there.

An object that is named in several ways has one such name: ``torch.optim:Adam`` is ``torch.optim.adam:Adam``, and
``train.py:build``, ``./train.py:build``, its absolute path, a symbolic link to the file and ``train:build`` are all
``train:build``. The name contains no absolute path, so that it is the same in another checkout and on another machine:

- A file of an installed package, of Python or of gdprops is the module that it is.
- Any other file is its path from the folder of the nearest pyproject.toml above it, or else from the folder in which
  gdprops runs, written as a module: ``pkg/optim.py`` is ``pkg.optim``, ``src/pkg/optim.py`` too. In this way a package
  has one name whether it is installed, installed as editable, or named by the path of its file. A path that cannot be
  written as a module stays a path, such as ``'homework-1/train.py'``.

A copy of a file, a hard link and a class that a framework exports from two of its modules are not seen to be the same.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from types import FunctionType, MethodType
from typing import Any

from gdprops.subjects.user_code.helper_modules import is_installed
from gdprops.subjects.user_code.importing import LOADED, loaded_as

PROJECT = "pyproject.toml"
UNSETTLED = "\1"
"""Marks a name that a running script, or a module that is being imported, may still bind to something else."""
Namespace = Mapping[str, Any]
"""The names of one module, with what they are bound to."""


def importable_name(found: Any, typed: str, is_part: Callable[[Any, Any], bool]) -> str | None:
    """Return the name ``module:name`` of an object, None where no name finds it.

    Closures, lambdas without a name and functions of a notebook have none. ``typed`` is a subject string under which it
    may be found. A decorated function's own name may find a subject: ``is_part`` says whether the object is part of it.
    """
    own = namespace_of(found)
    qualified = _qualified_name(found)
    if own is not None and qualified is not None:
        other = _attribute(own, qualified)
        if _is_same(other, found) or is_part(found, other):
            return _full(own, qualified)
    return name_among([] if own is None else [own], typed, lambda other: _is_same(other, found))


def _is_same(other: Any, found: Any) -> bool:
    """Say whether two objects are one; a bound method is a new object every time that it is looked up."""
    return other is found or (isinstance(found, MethodType) and isinstance(other, MethodType) and other == found)


def name_among(namespaces: Iterable[Namespace], typed: str, is_it: Callable[[Any], bool]) -> str | None:
    """Return the first name in some modules, or else the typed one, that finds what is looked for."""
    for namespace, name in (*_names_in(namespaces), *_names_of(typed)):
        if is_it(_attribute(namespace, name)):
            full = _full(namespace, name)
            return full if full is None or _is_settled(namespace) else f"{UNSETTLED}{full}"
    return None


def _is_settled(namespace: Namespace) -> bool:
    """Say whether a module has been imported: the names of a script change while it runs, as in a loop."""
    spec = namespace.get("__spec__")
    return spec is not None and not getattr(spec, "_initializing", False)


def described_home(found: Any) -> str:
    """Return the module and the name of an object's definition, for an object that no name finds."""
    own = namespace_of(found)
    home = None if own is None else home_of(own)
    return f"{home or '?'}:{_qualified_name(found) or type(found).__qualname__}"


def _qualified_name(found: Any) -> str | None:
    """Return the name of a function's or class's definition, None for any other object."""
    try:
        name = found.__qualname__
    except Exception:  # an object of the user's may raise anything when it is asked for an attribute
        return None
    return name if isinstance(name, str) else None


def namespace_of(found: Any) -> Namespace | None:
    """Return the names of the module in which an object, or else its type, is defined; None where it is not known.

    A helper module of a file is not in ``sys.modules`` between two calls of the user's code, but its functions know it.
    """
    function = found.__func__ if isinstance(found, MethodType) else found
    module = getattr(function, "__module__", None) or type(found).__module__
    if isinstance(function, FunctionType) and function.__globals__.get("__name__") == module:
        return function.__globals__
    return module_named(module)


def module_named(module: Any) -> Namespace | None:
    """Return the names of a module that is imported already, None for any other."""
    known = sys.modules.get(module) if isinstance(module, str) else None
    return None if known is None else vars(known)


def home_of(namespace: Namespace) -> str | None:
    """Return the name of a module that is the same in every process; None for a notebook and for typed-in code."""
    name, file = namespace.get("__name__"), namespace.get("__file__")
    if isinstance(file, str) and file:
        return _home(file, str(name))
    return None if name == "__main__" or not isinstance(name, str) else name


def home_of_spec(spec: str) -> str:
    """Return a subject string that begins with a file, with the file's one name in its place."""
    file, found, name = spec.partition(".py:")
    return f"{_home(file + '.py', LOADED)}:{name}" if found else _home(spec, LOADED)


@cache
def _home(file: str, name: str) -> str:
    """Return the name of the module in a file; it stays what it is if the user's code changes the working folder."""
    path = Path(file).resolve()
    if is_installed(str(path)) and name != "__main__" and not name.startswith(LOADED):
        return name
    try:
        folder = next((f for f in path.parents if os.path.isfile(f / PROJECT)), None) or Path.cwd()
        return _as_module(folder, Path(os.path.relpath(path, folder)))
    except (OSError, ValueError):  # the working folder is gone, or on another drive
        return repr(path.as_posix())


def _as_module(folder: Path, path: Path) -> str:
    """Return a path from a project's folder as a module, or as a path where it cannot be written as one."""
    if path.parts[0] == "src" and len(path.parts) > 1 and not (folder / Path(*path.parts[1:])).exists():
        path = Path(*path.parts[1:])
    parts = path.with_suffix("").parts
    if len(parts) > 1 and parts[-1] == "__init__":
        parts = parts[:-1]
    return ".".join(parts) if all(part.isidentifier() for part in parts) else repr(path.as_posix())


def _full(namespace: Namespace, name: str) -> str | None:
    home = home_of(namespace)
    return None if home is None else f"{home}:{name}"


def _names_in(namespaces: Iterable[Namespace]) -> Iterator[tuple[Namespace, str]]:
    return ((namespace, name) for namespace in namespaces for name in list(namespace))


def _names_of(typed: str) -> Iterator[tuple[Namespace, str]]:
    where, _, name = typed.rpartition(":")
    namespace = module_named(loaded_as(Path(where)) if where.endswith(".py") else where)
    if namespace is not None:
        yield namespace, name


def _attribute(namespace: Namespace, name: str) -> Any:
    """Return what a dotted name in a module finds, None where it finds nothing."""
    first, *rest = name.split(".")
    found = namespace.get(first)
    try:
        for part in rest:
            found = getattr(found, part)
    except Exception:
        return None
    return found
