"""The objects that a training loop works on: ``dense1.forward(X)``, ``for layer in network: …``, ``optimizer.step()``.

Layers that a script makes and calls one by one hold the parameters, and no statement of the loop binds them. What calls
a method of such an object, or hands it to a function, is part of the training step, whatever it returns.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from typing import Any

from gdprops.subjects.backprop.as_written.leaves import is_own
from gdprops.subjects.user_code.helper_modules import is_installed


def made_objects(setup: Iterable[ast.stmt], known: Mapping[str, Any]) -> frozenset[str]:
    """Return the names under which a script, or what stands before a loop in it, holds objects of the user's classes.

    ``known``: what the file's definitions have bound already.
    """
    found = {name for name, value in known.items() if not name.startswith("__") and holds_objects(value)}
    for node in setup:
        if not isinstance(node, ast.Assign):
            continue
        collects = isinstance(node.value, ast.List | ast.Tuple) and _mentions(node.value, found)
        if collects or any(_makes(inner, known) for inner in ast.walk(node.value)):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return frozenset(found)


def holds_objects(value: Any) -> bool:
    """Say whether a value is an object of a class of the user's, or a list of such."""
    if isinstance(value, list | tuple):
        return any(map(is_own, value))
    return is_own(value) and not callable(value)


def _makes(node: ast.AST, known: Mapping[str, Any]) -> bool:
    """Say whether a call makes an object of a class that is written in Python and not installed."""
    if not isinstance(node, ast.Call):
        return False
    called: Any = known.get(node.func.id) if isinstance(node.func, ast.Name) else None
    if isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
        called = getattr(known.get(node.func.value.id), node.func.attr, None)
    return isinstance(called, type) and not is_installed(_file_of(called))


def _file_of(found: type) -> str | None:
    codes = (getattr(value, "__code__", None) for value in vars(found).values())
    return next((code.co_filename for code in codes if code is not None), None)


def works_on(node: ast.stmt, objects: frozenset[str]) -> bool:
    """Say whether a statement calls a method of one of some objects, or hands one to a function."""
    if not objects:
        return False
    held = objects | {
        name.id
        for inner in ast.walk(node)
        if isinstance(inner, ast.For) and _mentions(inner.iter, objects)
        for name in ast.walk(inner.target)
        if isinstance(name, ast.Name)
    }
    for inner in ast.walk(node):
        if isinstance(inner, ast.Call):
            function = inner.func.value if isinstance(inner.func, ast.Attribute) else inner.func
            given = [*inner.args, *(k.value for k in inner.keywords)]
            if _mentions(function, held) or any(isinstance(a, ast.Name) and a.id in held for a in given):
                return True
    return isinstance(node, ast.AugAssign | ast.Assign) and any(
        isinstance(t, ast.Attribute | ast.Subscript) and _mentions(t, held)
        for t in ([node.target] if isinstance(node, ast.AugAssign) else node.targets)
    )


def _mentions(node: ast.AST, names: frozenset[str] | set[str]) -> bool:
    return any(isinstance(n, ast.Name) and n.id in names for n in ast.walk(node))


def handed_with(call: ast.Call, targets: frozenset[str], objects: frozenset[str]) -> str:
    """Return what of the objects is handed to a call together with the targets, as text: ``dense2.output``."""
    given = [*call.args, *(k.value for k in call.keywords)]
    if not any(isinstance(a, ast.Name) and a.id in targets for a in given):
        return ""
    held = [a for a in given if isinstance(a, ast.Attribute | ast.Call) and _mentions(a, objects)]
    return ast.unparse(held[0]) if len(held) == 1 else ""
