"""From which folders a file of the user's imports: its repository's root, and the package that it lies in.

A file of a repository is seldom run from its own folder: ``nn/layers/dense.py`` says ``from nn.losses import MSE``,
because the root is where its author runs ``main.py``; or ``from ..losses import MSE``, with or without an
``__init__.py`` beside it. Both are found by what the file, and what it imports, asks for: a folder around it in which
that module stands. Names that Python or an installed package answers are not looked for.
"""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path

HIGHEST = 4
"""How many folders above the file are looked at."""
MOST_FILES = 60
RELATIVE = re.compile(r"^\s*from\s+(\.+)", re.MULTILINE)


def package_of(path: Path) -> tuple[str, Path | None]:
    """Return the package that a file lies in, and the folder above that package; "" and None where it lies in none.

    The folders with an ``__init__.py`` around it are the package, and those that relative imports go up to.
    """
    names, folder = list[str](), path.parent
    while ((folder / "__init__.py").is_file() or len(names) < _levels(path, names)) and folder != folder.parent:
        if "." in folder.name:
            break
        names.insert(0, folder.name)
        folder = folder.parent
    return ".".join(names), folder if names else None


def _levels(path: Path, names: list[str]) -> int:
    """Return how many packages a file must lie in, by its relative imports and by those of what lies beside it."""
    needed = _dots(path)
    if not needed:
        return 0
    folder = path.parent
    for above in range(max(1, len(names))):
        beside = sorted(folder.glob("*.py"))[:MOST_FILES]
        needed = max([needed, *(above + _dots(other) for other in beside)])
        folder = folder.parent
    return min(needed, HIGHEST)


def _dots(path: Path) -> int:
    return max((len(dots) for dots in RELATIVE.findall(_text(path))), default=0)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError:
        return ""


def import_roots(path: Path, known: list[Path]) -> tuple[list[Path], list[Path]]:
    """Return the folders around a file in which modules stand that it imports, and that ``known`` folders lack.

    First those that must go before the known ones, where another module has the name of the package
    (``layers/layers.py`` beside a file that imports ``layers.dense``); then all others.
    """
    before, found, waiting, seen = list[Path](), list[Path](), [path], {path}
    while waiting and len(seen) < MOST_FILES:
        one = waiting.pop(0)
        for module in _imported(one):
            if module.partition(".")[0] in sys.stdlib_module_names:
                continue
            there = [at for at in (*before, *known, *found) if _file(at, module.partition(".")[0])]
            where = next((at for at in there[:1] if _file(at, module)), None)
            if where is None and (there or not _is_installed(module)):
                where = next((at for at in (one.parent, *_above(path)) if _file(at, module)), None)
                (before if there else found).extend([where] if where is not None else [])
            held = None if where is None else _file(where, module)
            if held is not None and held not in seen:
                seen.add(held)
                waiting.append(held)
    return before, found


def _above(path: Path) -> Iterator[Path]:
    """Yield the folders around a file, up to the root of its repository."""
    folder = path.parent
    for _ in range(HIGHEST):
        if (folder / ".git").exists() or folder.parent in (folder, Path.home()):
            return
        folder = folder.parent
        yield folder


def _imported(path: Path) -> list[str]:
    """Return the modules that a file imports by their whole names, those in functions too."""
    try:
        tree = ast.parse(_text(path)) if path.suffix == ".py" else ast.Module([], [])
    except (SyntaxError, ValueError):
        return []
    found = list[str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            found.append(node.module)
    return list(dict.fromkeys(found))


def _file(folder: Path, module: str) -> Path | None:
    """Return the file of a module in a folder; the folder itself of a package without ``__init__.py``."""
    where = folder.joinpath(*module.split("."))
    for one in (where.with_name(f"{where.name}.py"), where / "__init__.py"):
        if one.is_file():
            return one
    return where if where.is_dir() and next(where.glob("*.py"), None) is not None else None


def _is_installed(module: str) -> bool:
    top = module.partition(".")[0]
    try:
        return top in sys.modules or importlib.util.find_spec(top) is not None
    except (ImportError, ValueError, AttributeError):
        return False
