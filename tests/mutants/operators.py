"""Mutants of a source file: each changes one expression or one return, as a slip of the hand would.

Texts, types and docstrings are left alone: what they say is not what is computed.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, final

FLIPPED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.Gt,
    ast.Gt: ast.Lt,
    ast.LtE: ast.GtE,
    ast.GtE: ast.LtE,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
BOUNDARY: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
}
SWAPPED: dict[type[ast.operator], type[ast.operator]] = {ast.Add: ast.Sub, ast.Sub: ast.Add}


@final
@dataclass(frozen=True, slots=True)
class Mutant:
    """One change: in which line of which file, its kind, what was written and what is now, and the whole new source.

    ``text`` is the line as it was. ``name`` is the constant that a module-level assignment gives a value to, empty
    elsewhere. ``imported`` says that the line runs when the module is imported, and not when a function is called.
    """

    path: str
    line: int
    kind: str
    was: str
    now: str
    text: str
    source: str
    name: str = ""
    imported: bool = False

    @property
    def key(self) -> str:
        """What names the change, and stays the same when lines are added above it."""
        return f"{self.path}: {self.text}: {self.was} -> {self.now}"


def mutants(path: str, source: str) -> Iterator[Mutant]:
    """Yield all mutants of a source file in the order of its lines."""
    tree = ast.parse(source)
    found = sorted(_changes(tree), key=lambda pair: (pair[0].lineno, pair[0].col_offset, pair[2]))
    bodies = [(n.body[0].lineno, n.end_lineno or 0) for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]
    names = {
        line: target.id
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    lines = source.splitlines()
    for old, new, kind in found:
        imported = not any(first <= old.lineno <= last for first, last in bodies)
        yield Mutant(
            path,
            old.lineno,
            kind,
            ast.unparse(old),
            ast.unparse(new),
            lines[old.lineno - 1].strip(),
            _put(source, old, ast.unparse(new)),
            names.get(old.lineno, ""),
            imported,
        )


def _put(source: str, node: ast.expr | ast.Return, text: str) -> str:
    """Return the source with one node replaced; columns of nodes count bytes."""
    lines = [line.encode() for line in source.splitlines(keepends=True)]
    last = (node.end_lineno or node.lineno) - 1
    before, after = lines[node.lineno - 1][: node.col_offset], lines[last][node.end_col_offset or 0 :]
    wrapped = text if isinstance(node, ast.Return) else f"({text})"
    return b"".join([*lines[: node.lineno - 1], before, wrapped.encode(), after, *lines[last + 1 :]]).decode()


Change = tuple[ast.expr | ast.Return, ast.expr | ast.Return, str]
"""A node, the node in its place, and the kind of the change."""


def _changes(tree: ast.AST) -> Iterator[Change]:
    for node in _computed(tree):
        if isinstance(node, ast.Compare):
            yield from _compared(node, FLIPPED, "comparison flipped")
            yield from _compared(node, BOUNDARY, "boundary moved")
        elif isinstance(node, ast.BinOp) and type(node.op) in SWAPPED and not _is_text(node):
            yield node, ast.BinOp(node.left, SWAPPED[type(node.op)](), node.right), "+ and - swapped"
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            yield node, node.operand, "not removed"
        elif isinstance(node, ast.Constant) and type(node.value) in (int, float) and node.value:
            value: Any = node.value
            yield node, ast.Constant(10 * value), "constant tenfold"
        elif isinstance(node, ast.Return) and node.value is not None and ast.unparse(node.value) != "None":
            yield node, ast.Return(ast.Constant(None)), "None returned"


def _compared(node: ast.Compare, others: dict[type[ast.cmpop], type[ast.cmpop]], kind: str) -> Iterator[Change]:
    for k, op in enumerate(node.ops):
        if type(op) in others:
            changed = copy.deepcopy(node)
            changed.ops[k] = others[type(op)]()
            yield node, changed, kind


def _is_text(node: ast.BinOp) -> bool:
    parts = (node.left, node.right)
    return any(
        isinstance(p, ast.JoinedStr) or (isinstance(p, ast.Constant) and isinstance(p.value, str)) for p in parts
    )


def _computed(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes that are computed: without texts, types, and what only a type checker reads."""
    yield node
    for field, child in ast.iter_fields(node):
        if field in ("annotation", "returns", "format_spec") or isinstance(node, ast.JoinedStr):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test) and field == "body":
            continue
        for part in child if isinstance(child, list) else [child]:
            if isinstance(part, ast.AST):
                yield from _computed(part)
