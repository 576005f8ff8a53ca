"""The words that a class knows for an argument: ``if self.loss == "square_error"`` says what loss may be.

An argument that no name explains may be such a word. What the class compares it with, or looks up with it, are the
words.
"""

from __future__ import annotations

import ast
from functools import lru_cache

from gdprops.subjects.backprop.as_written.definition import definition_of


@lru_cache(maxsize=256)
def string_choices(found: type) -> dict[str, tuple[str, ...]]:
    """Return the words that a class compares arguments, or attributes of these names, with."""
    words = dict[str, dict[str, None]]()
    for node in ast.walk(definition_of(found)):
        for name, word in _compared(node):
            words.setdefault(name, {})[word] = None
    return {name: tuple(known) for name, known in words.items()}


def _compared(node: ast.AST) -> list[tuple[str, str]]:
    if isinstance(node, ast.Compare):
        sides = [node.left, *node.comparators]
        given = [word for side in sides for word in _words(side)]
        return [(name, word) for side in sides for name in _name(side) for word in given]
    if isinstance(node, ast.Match):
        cases = [n for case in node.cases for n in ast.walk(case.pattern) if isinstance(n, ast.MatchValue)]
        return [(name, word) for name in _name(node.subject) for case in cases for word in _words(case.value)]
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Dict):
        keys = [word for key in node.value.keys if key is not None for word in _words(key)]
        return [(name, word) for name in _name(node.slice) for word in keys]
    return []


def _name(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and not node.args:  # name.lower()
        return _name(node.func.value)
    if isinstance(node, ast.Name):
        return [node.id]
    return [node.attr.strip("_")] if isinstance(node, ast.Attribute) else []


def _words(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.Tuple | ast.List | ast.Set):
        return [word for inside in node.elts for word in _words(inside)]
    return []
