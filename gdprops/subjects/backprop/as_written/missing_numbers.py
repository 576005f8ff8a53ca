"""Numbers that functions use, and that the script around them computes from data: ``m, n = X.shape``.

The script is not run, and its data are not there. Where such a name says that it is a number of units or of samples,
it gets a small number, and that is told; without it, no function that uses it could be called.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from gdprops.subjects.backprop.as_written.probes import PROBE, ROWS
from gdprops.subjects.backprop.as_written.roles import Role, role_of, size_of

if TYPE_CHECKING:
    from gdprops.subjects.user_code.definitions import Definitions

NUMPY = {"np", "numpy"}
UNITS = {"in": PROBE.n_in, "hidden": PROBE.hidden, "out": PROBE.n_out}


def give_missing_numbers(definitions: Definitions) -> None:
    """Give a file's functions the numbers that its script would have computed."""
    known = vars(definitions.module)
    used = {name for node in definitions.source.tree.body for name in _globals(node)}
    for name in NUMPY & used - known.keys():
        known[name] = np
        definitions.numbers[name] = f"{name} is used and never imported: it is NumPy here"
    for name, line in _computed(definitions.source.tree):
        value = _number(name)
        if name in used and name not in known and value is not None:
            known[name] = value
            given = "the number of samples" if role_of(name) is Role.ROWS else value
            definitions.numbers[name] = f"{name} is computed from data in line {line}, not run: it is {given} here"


def sample_counts(definitions: Definitions) -> tuple[str, ...]:
    """Return the names that are the number of samples, which is another one in every batch."""
    return tuple(name for name in definitions.numbers if role_of(name) is Role.ROWS)


def _number(name: str) -> int | None:
    if role_of(name) is Role.ROWS:
        return ROWS
    return UNITS.get(size_of(name) or "") if len(name) > 2 else None


def _globals(node: ast.stmt) -> Iterator[str]:
    """Yield the names that the functions of a statement read and do not bind."""
    for function in ast.walk(node):
        if isinstance(function, ast.FunctionDef):
            names = [n for n in ast.walk(function) if isinstance(n, ast.Name)]
            bound = {n.id for n in names if isinstance(n.ctx, ast.Store)} | {
                one.arg for one in ast.walk(function.args) if isinstance(one, ast.arg)
            }
            yield from (n.id for n in names if n.id not in bound and not hasattr(builtins, n.id))


def _computed(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Yield the names that the script binds, each with its line."""
    waiting = list[ast.AST](tree.body)
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Lambda):
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, node.lineno
        waiting += ast.iter_child_nodes(node)
