"""The files of a folder that ``gdprops check FOLDER`` checks: one row each.

A file that others of the folder import is a helper; it is a row only if it holds something to check. A script that
imports others and defines nothing is none. Whatever else was handed in is a row, an empty file too. Hidden folders,
environments and tests of the folder's owner are left out.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from pathlib import Path

from gdprops.errors import UsageError
from gdprops.subjects.user_code.source import WHOLE_FILES, source_of

LEFT_OUT = ("__pycache__", "node_modules", "site-packages", "venv", "env", ".ipynb_checkpoints")


def is_folder(subject: str) -> bool:
    """Say whether a subject string is a folder."""
    return ":" not in subject and Path(subject).is_dir()


def expanded(subjects: Sequence[str]) -> tuple[str, ...]:
    """Return subject strings with every folder replaced by its files. Raises `UsageError` for a folder without any."""
    found = list[str]()
    for subject in subjects:
        if is_folder(subject):
            files = files_of(Path(subject))
            if not files:
                raise UsageError(f"{subject} holds no Python file and no notebook to check")
            found += files
        else:
            found.append(subject)
    return tuple(found)


def files_of(folder: Path) -> list[str]:
    """Return the files and notebooks of a folder, without what others of them import and nobody could check."""
    files = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix in WHOLE_FILES and path.is_file() and not _is_left_out(path.relative_to(folder))
    )
    imported = {(path.parent, name) for path in files for name in _imports(path)}
    return [str(path) for path in files if not _is_beside(path, files, imported)]


def _is_beside(path: Path, files: Sequence[Path], imported: set[tuple[Path, str]]) -> bool:
    """Say whether a file only serves others: a helper that they import, or a script that runs them."""
    if _is_imported(path, imported):
        return not _may_train(path)
    return not _defines(path) and (path.name == "__init__.py" or bool(_imports(path) & {p.stem for p in files}))


def _is_left_out(path: Path) -> bool:
    return any(part in LEFT_OUT or part.startswith(".") for part in path.parts) or path.name in (
        "conftest.py",
        "setup.py",
    )


def _tree(path: Path) -> ast.Module | None:
    try:
        return source_of(path).tree
    except UsageError:
        return None


def _imports(path: Path) -> set[str]:
    tree = _tree(path)
    nodes = [] if tree is None else list(ast.walk(tree))
    names = {a.name for n in nodes if isinstance(n, ast.Import) for a in n.names}
    names |= {n.module for n in nodes if isinstance(n, ast.ImportFrom) and n.module}
    return {name.rpartition(".")[2] for name in names}


def _is_imported(path: Path, imported: set[tuple[Path, str]]) -> bool:
    return any(name == path.stem and path.is_relative_to(where.parent) for where, name in imported)


def _defines(path: Path) -> bool:
    """Say whether a file defines anything; one that cannot be read is a row that says why."""
    tree = _tree(path)
    return tree is None or any(isinstance(n, ast.FunctionDef | ast.ClassDef) for n in ast.walk(tree))


def _may_train(path: Path) -> bool:
    """Say whether a file that others import defines something that trains by its names."""
    tree = _tree(path)
    names = {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)} if tree is not None else set()
    return any(re.search("backward|backprop|train|^fit$|^step$|gradients", name) for name in names)
