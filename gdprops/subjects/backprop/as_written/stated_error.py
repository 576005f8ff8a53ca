"""The error that a file itself computes, prints or returns beside its training, and in which line: squares, logarithms.

It is compared with the loss that the training descends: a forgotten sigmoid's derivative at the output descends exactly
the cross-entropy, while the file prints the squared error.
"""

from __future__ import annotations

import ast
from typing import NamedTuple

SQUARES, LOGARITHMS = "the squared error", "the cross-entropy"
REDUCED = ("mean", "sum", "average")


class Stated(NamedTuple):
    """What a line computes: ``the squared error`` or ``the cross-entropy``."""

    what: str
    line: int


def stated_error(tree: ast.Module) -> Stated | None:
    """Return the one kind of error that a file computes; None where it computes none, or both."""
    found = [one for node in ast.walk(tree) if isinstance(node, ast.Call) and (one := _stated(node)) is not None]
    kinds = {one.what for one in found}
    return min(found, key=lambda one: one.line) if len(kinds) == 1 else None


def _stated(call: ast.Call) -> Stated | None:
    """Return what a sum or mean is taken of: squares of a difference, or targets times logarithms."""
    if _name(call) not in REDUCED:
        return None
    inside = list(call.args) or ([call.func.value] if isinstance(call.func, ast.Attribute) else [])
    for node in (n for argument in inside for n in ast.walk(argument)):
        if isinstance(node, ast.Call) and _name(node) == "log":
            return Stated(LOGARITHMS, call.lineno)
        if _is_square(node):
            return Stated(SQUARES, call.lineno)
    return None


def _is_square(node: ast.AST) -> bool:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
        is_two = isinstance(node.right, ast.Constant) and node.right.value == 2
        return is_two and _is_difference(node.left)
    if not (isinstance(node, ast.Call) and _name(node) in ("square", "power") and node.args):
        return False
    return _is_difference(node.args[0])


def _is_difference(node: ast.AST) -> bool:
    """Say whether something is an output minus a target, or is called an error; 1 - h is a slope."""
    if isinstance(node, ast.Name | ast.Attribute):
        return "err" in (node.id if isinstance(node, ast.Name) else node.attr).lower()
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub) and not isinstance(node.left, ast.Constant)


def _name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
