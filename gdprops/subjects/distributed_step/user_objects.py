"""How ranks find the user's functions: by the module or file that defines them, and their name there.

A rank is a process of its own. What no name finds (a lambda, a closure, a function of a notebook) cannot be sent to it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from gdprops.errors import UsageError
from gdprops.subjects.user_code.importing import LOADED, import_file


class Where(NamedTuple):
    """How a rank finds a function or class of the user's: a module, the file it was loaded from, and the name there.

    ``part``: the name finds a subject, and the object is this part of it (``build``, ``models``); else empty.
    """

    module: str
    file: str
    name: str
    part: str = ""


def where_of(value: Any, key: str) -> Where:
    """Return how a rank finds one of the user's objects. Raises `UsageError`, in one line, where it cannot."""
    module, name = str(getattr(value, "__module__", "")), str(getattr(value, "__qualname__", ""))
    found = _named(sys.modules.get(module), name) if name and "<" not in name else None
    if found is None:
        raise UsageError(
            f"{key}={name or value!r} is defined where no import finds it; ranks are processes of their own: put it "
            "into a file or module, at the top level"
        )
    return Where(module, _file_of(module), name, "" if found is value else key)


def found(where: Where, folders: Iterable[str]) -> Any:
    """Return the object, in a process in which it may never have been imported."""
    sys.path.extend(folder for folder in folders if folder not in sys.path)
    module = import_file(Path(where.file)) if where.file else import_module(where.module)
    value = _named(module, where.name)
    return value.parts[where.part] if where.part and hasattr(value, "parts") else value


def _named(module: Any, name: str) -> Any:
    value = module
    for part in name.split("."):
        value = getattr(value, part, None)
    return value


def _file_of(module: str) -> str:
    """Return the file from which a module was loaded by its path, empty for one that is imported by its name."""
    is_by_path = module.startswith(LOADED) or module == "__main__"
    return str(Path(getattr(sys.modules[module], "__file__", "") or "").resolve()) if is_by_path else ""
