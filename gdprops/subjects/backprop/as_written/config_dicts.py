"""Constructors that take a dict of sizes: ``config["input"]``, ``config.get("hidden_layers", [64])``.

Which entries there are is told by the class, which looks them up. Where the file itself holds such a dict, entries that
are no sizes keep its values.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterable
from typing import Any

ENTRIES = "entries "
LITERAL = "literal"


def is_entries(what: str) -> bool:
    """Say whether an argument gets a dict of sizes."""
    return what.startswith(ENTRIES)


def gives_rate(what: str) -> bool:
    """Say whether an argument is a dict of sizes in which the learning rate is."""
    return is_entries(what) and any(of == "rate" for _, of in entries_of(what))


def entries(named: Iterable[tuple[str, str | None, str]]) -> str:
    """Return what an argument gets from its entries: each key, what it means by its name, and the file's own value."""
    return f"{ENTRIES}{[(key, what or f'{LITERAL} of {own}') for key, what, own in named if what or own]!r}"


def entries_of(what: str) -> list[tuple[str, str]]:
    """Return the keys of a dict of sizes, and what each of them gets."""
    found: list[tuple[str, str]] = ast.literal_eval(what.removeprefix(ENTRIES))
    return found


def looked_up(found: Callable[..., Any], argument: str) -> list[tuple[str, str]]:
    """Return the keys that code looks up in an argument, or an attribute of its name, with the file's own values."""
    try:
        lines, at = inspect.findsource(found)
        tree = ast.parse("".join(lines))
    except (OSError, TypeError, SyntaxError, IndentationError):
        return []
    own = next(
        (n for n in ast.walk(tree) if isinstance(n, ast.ClassDef | ast.FunctionDef) and n.lineno == at + 1), tree
    )
    keys = dict.fromkeys(key for node in ast.walk(own) for key in _key(node, argument))
    dicts = [n for n in ast.walk(tree) if isinstance(n, ast.Dict)]
    values = {
        key.value: ast.unparse(value)
        for held in dicts
        for key, value in zip(held.keys, held.values, strict=True)
        if isinstance(key, ast.Constant) and isinstance(value, ast.Constant)
    }
    return [(key, values.get(key, "")) for key in keys]


def _key(node: ast.AST, argument: str) -> list[str]:
    if isinstance(node, ast.Subscript) and _is_called(node.value, argument):
        looked = node.slice
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get":
        if not _is_called(node.func.value, argument) or len(node.args) != 1:  # else it has a default
            return []
        looked = node.args[0]
    else:
        return []
    return [looked.value] if isinstance(looked, ast.Constant) and isinstance(looked.value, str) else []


def _is_called(node: ast.expr, name: str) -> bool:
    return (isinstance(node, ast.Name) and node.id == name) or (isinstance(node, ast.Attribute) and node.attr == name)
