"""Large sizes that code writes as numbers: ``np.random.randn(784, 128)``, with small ones in their place.

A number that bounds, divides or is compared is no size, and stays: ``np.clip(z, -500, 500)``, ``x / 255``.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator, Sequence

SMALL_SIZE = 8
"""A number of units above this is one that our own small networks replace."""
SMALL = (3, 4, 2, 5, 6, 7)
"""What large numbers become, the first one that is met first."""
BOUNDS = ("clip", "minimum", "maximum", "min", "max", "where", "seed", "round", "exp", "full")
"""What is called with numbers that are no sizes: they bound or fill."""


def shrunk(nodes: Sequence[ast.stmt], given: dict[int, int] | None = None) -> list[ast.stmt]:
    """Return statements in which large sizes are small, the same number everywhere the same.

    ``given`` holds the numbers that have a small one, and gets those that are met.
    """
    given = {} if given is None else given
    changed = copy.deepcopy(list(nodes))
    others = {id(node) for one in changed for node in _no_sizes(one)}
    compared = {id(node) for one in changed for node in _compared(one)}
    large = [node for one in changed for node in ast.walk(one) if _is_large(node) and id(node) not in others]
    for node in (n for n in large if id(n) not in compared):
        given.setdefault(node.value, SMALL[min(len(given), len(SMALL) - 1)])  # type: ignore[attr-defined] # a constant
    for node in large:
        node.value = given.get(node.value, node.value)  # type: ignore[attr-defined] # a constant
    return changed if given else list(nodes)


def _is_large(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) is int and node.value > SMALL_SIZE


def _no_sizes(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield the numbers that bound or fill something, what is divided by, powers, and negative ones."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in BOUNDS:
                yield from (*node.args[name == "full" :], *(k.value for k in node.keywords))
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div | ast.Mod | ast.Pow):
            yield node.right
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            yield node.operand


def _compared(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield the numbers that something is compared with: they are sizes only where they are so elsewhere."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            yield from (node.left, *node.comparators)
