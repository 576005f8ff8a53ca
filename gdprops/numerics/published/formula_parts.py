"""The parts of a published rule's code, and what may be written in the place of each by mistake."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from gdprops.numerics.published.formula_notation import OLD

OPPOSITE: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
}
UNWRAPPED = ("np.sqrt", "np.sign", "np.abs", "unbiased", "np.maximum", "max", "norm", "rms")
"""Functions that code forgets to call, or calls as if they had one argument."""
PAIRS = {"betas[0]": "betas[1]", "b1": "b2", "etas[0]": "etas[1]"}
MIXED_UP = {**PAIRS, **{b: a for a, b in PAIRS.items()}}
CLOCKS = ("t", "s['t']")
"""The number of the step, of which code is often one ahead or one behind."""
REDUCED = ("np.sum", "np.mean", "np.max", "np.abs")
"""What is taken of squares by mistake: one number for the whole tensor, or absolute values."""


class Edit(NamedTuple):
    """A part of a formula, what stands in its place, the statement around it, and the node and field that hold it.

    ``is_usual``: whether it is a slip that is often made, and no other tensor, nor a part that stands once too often.
    """

    node: ast.expr
    instead: ast.expr
    statement: ast.stmt
    parent: ast.AST
    field: str
    position: int | None
    is_usual: bool

    def put(self, expression: ast.expr) -> None:
        """Write an expression in the place of the part."""
        if self.position is None:
            setattr(self.parent, self.field, expression)
        else:
            getattr(self.parent, self.field)[self.position] = expression


def edits(tree: ast.FunctionDef) -> list[Edit]:
    """Return the changes of one function, statement by statement."""
    values = _values(tree)
    return [*_of_parts(tree, values), *_of_statements(tree)]


def _of_parts(tree: ast.FunctionDef, values: Mapping[str, int]) -> list[Edit]:
    """Return the changes of single parts."""
    made = _assigned(tree).values()
    unwrapped = [(inner, line) for value, line in made if isinstance(value, ast.Call) for inner in _instead(value)]
    return [
        Edit(node, one, statement, parent, field, position, is_usual)
        for statement in ast.walk(tree)
        if isinstance(statement, (ast.Assign, ast.AugAssign, ast.Return))
        for parent, field, position, node in _parts(statement)
        for is_usual, found in (
            (True, _instead(node)),
            (False, _once_too_often(node)),
            (False, _other_values(node, values, statement, unwrapped)),
        )
        for one in found
    ]


def _of_statements(tree: ast.FunctionDef) -> list[Edit]:
    """Return the changes of whole statements: two factors exchanged, or a change in what a name stands for here."""
    assigned = _assigned(tree)
    return [
        Edit(statement.value, one, statement, statement, "value", None, is_usual)
        for statement in ast.walk(tree)
        if isinstance(statement, (ast.Assign, ast.Return)) and statement.value is not None
        for is_usual, found in (
            (True, _exchanged(statement.value)),
            (True, _taken_apart_the_other_way(statement)),
            (False, _written_out(statement, assigned)),
        )
        for one in found
    ]


def _assigned(tree: ast.FunctionDef) -> dict[str, tuple[ast.expr, int]]:
    """Return what the names that are assigned once stand for, and in which line."""
    found = dict[str, list[tuple[ast.expr, int]]]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            found.setdefault(node.targets[0].id, []).append((node.value, node.lineno))
    return {name: made[0] for name, made in found.items() if len(made) == 1 and name not in ("w", "g")}


def _exchanged(value: ast.expr) -> Iterator[ast.expr]:
    """Yield a value with the two of a pair exchanged: the betas, or the shares that stay and come in, a and 1 - a."""
    names = {ast.unparse(node) for node in ast.walk(value)}
    for first, second in PAIRS.items():
        if {first, second} <= names:
            yield _replaced(value, {first: _parsed(second), second: _parsed(first)})
    for share in sorted(name for name in names if f"1 - {name}" in names):
        yield _replaced(value, {share: _parsed(f"1 - {share}"), f"1 - {share}": _parsed(share)})


def _taken_apart_the_other_way(statement: ast.Assign | ast.Return) -> Iterator[ast.expr]:
    """Yield the second and the first of two numbers where a statement takes the first and the second: the betas."""
    target = statement.targets[0] if isinstance(statement, ast.Assign) else None
    if isinstance(target, ast.Tuple) and len(target.elts) == 2 and isinstance(statement.value, ast.Name):
        yield _parsed(f"{statement.value.id}[1], {statement.value.id}[0]")


def _written_out(
    statement: ast.Assign | ast.Return, assigned: Mapping[str, tuple[ast.expr, int]]
) -> Iterator[ast.expr]:
    """Yield a statement's value with a name written out, and one change in that; a sum in a function lacks a part."""
    assert statement.value is not None, "only asked of statements with a value"
    names = {node.id for node in ast.walk(statement.value) if isinstance(node, ast.Name)}
    for name in sorted(names & set(assigned)):
        made, line = assigned[name]
        if line >= statement.lineno:
            continue
        for node in ast.walk(made):
            for one in _instead(node) if isinstance(node, ast.expr) else ():
                yield _replaced(statement.value, {name: _replaced(made, {ast.unparse(node): one})})
        if isinstance(made, ast.BinOp) and isinstance(made.op, ast.Add):
            without = ast.BinOp(_parsed(name), ast.Sub(), made.right)
            yield from _in_functions(statement.value, name, without)


def _in_functions(value: ast.expr, name: str, changed: ast.expr) -> Iterator[ast.expr]:
    """Yield a value with a name changed in one function of it only, where it also stands elsewhere.

    LAMB's ratio may be measured on the step without the decay, which is made with it: norm(d - λ w) and d.
    """
    calls = {ast.unparse(one): one for one in ast.walk(value) if isinstance(one, ast.Call) and _is_of(one, name)}
    standing = sum(isinstance(one, ast.Name) and one.id == name for one in ast.walk(value))
    for text, call in calls.items() if standing > 1 else ():
        yield _replaced(value, {text: ast.Call(call.func, [changed], [])})


def _is_of(call: ast.Call, name: str) -> bool:
    """Say whether a function is called with a name alone."""
    return len(call.args) == 1 and isinstance(call.args[0], ast.Name) and call.args[0].id == name


class _Replacing(ast.NodeTransformer):
    """Writes other expressions in the place of those of a certain text."""

    def __init__(self, instead: Mapping[str, ast.expr]) -> None:
        self._instead = instead

    def visit(self, node: ast.AST) -> Any:
        other = self._instead.get(ast.unparse(node)) if isinstance(node, ast.expr) else None
        return self.generic_visit(node) if other is None else copy.deepcopy(other)


def _replaced(value: ast.expr, instead: Mapping[str, ast.expr]) -> ast.expr:
    replaced: ast.expr = _Replacing(instead).visit(copy.deepcopy(value))
    return replaced


def key_of(node: ast.AST) -> str:
    """Return under which key a state is kept, empty for what is no state: ``m`` for ``s["m"]``."""
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id == "s":
        return str(getattr(node.slice, "value", ""))
    return ""


def _parts(statement: ast.stmt) -> Iterator[tuple[ast.AST, str, int | None, ast.expr]]:
    """Yield the parts of what a statement computes, with the places where they stand."""
    waiting: list[Any] = [(statement, "value", None, getattr(statement, "value", None))]
    while waiting:
        parent, field, position, node = waiting.pop(0)
        if not isinstance(node, ast.expr):
            continue
        yield parent, field, position, node
        for name, inner in ast.iter_fields(node):
            if name in ("func", "slice", "ctx") or (name == "value" and isinstance(node, ast.Subscript)):
                continue
            several = enumerate(inner) if isinstance(inner, list) else [(None, inner)]
            waiting += [(node, name, k, one) for k, one in several]


def _instead(node: ast.expr) -> Iterator[ast.expr]:
    """Yield what may stand in the place of a part."""
    if isinstance(node, ast.BinOp):
        yield from _of_two(node)
    elif isinstance(node, ast.Call) and node.args and ast.unparse(node.func) in UNWRAPPED:
        yield from [ast.Constant(1)] if ast.unparse(node.func) == "unbiased" else node.args
    elif isinstance(node, (ast.Subscript, ast.Name)) and (other := MIXED_UP.get(ast.unparse(node))):
        yield _parsed(other)
    elif ast.unparse(node) in CLOCKS:
        yield from (ast.BinOp(node, step, ast.Constant(1)) for step in (ast.Add(), ast.Sub()))
    elif isinstance(node, ast.Constant) and node.value == 1:
        yield from (ast.Constant(0), ast.Constant(2))


def _of_two(node: ast.BinOp) -> Iterator[ast.expr]:
    """Yield a sum or a product without one of its parts, or with the opposite operation; a divisor's root."""
    yield node.left
    if not isinstance(node.op, (ast.Div, ast.Pow)):
        yield node.right
    opposite = OPPOSITE.get(type(node.op))
    if opposite is not None:
        yield ast.BinOp(node.left, opposite(), node.right)
    if isinstance(node.op, ast.Div):
        yield ast.BinOp(node.left, ast.Div(), _called("np.sqrt", node.right))
        yield ast.BinOp(node.right, ast.Div(), node.left)
    if isinstance(node.op, ast.Add):
        yield from _averaged(node)
    if isinstance(node.op, ast.Mult):
        yield from _of_square(node)


def _averaged(node: ast.BinOp) -> Iterator[ast.expr]:
    """Yield a sum with a share of what was before, a b + c, as an average, a b + (1 - a) c."""
    before = node.left
    if not (isinstance(before, ast.BinOp) and isinstance(before.op, ast.Mult)):
        return
    share = before.left
    if isinstance(share, (ast.Name, ast.Subscript)) and f"1 - {ast.unparse(share)}" not in ast.unparse(node.right):
        comes_in = ast.BinOp(ast.Constant(1), ast.Sub(), share)
        yield ast.BinOp(before, ast.Add(), ast.BinOp(comes_in, ast.Mult(), node.right))


def _once_too_often(node: ast.expr) -> Iterator[ast.expr]:
    """Yield a sum or a product with one of its parts twice, or with the whole of it in the place of a part."""
    if not isinstance(node, ast.BinOp):
        return
    if isinstance(node.op, (ast.Add, ast.Mult)):
        yield ast.BinOp(node, node.op, node.left)
    if isinstance(node.op, (ast.Add, ast.Mult, ast.Div)):
        yield ast.BinOp(node, node.op, node.right)
    if isinstance(node.op, ast.Add) and isinstance(node.right, ast.BinOp):
        yield ast.BinOp(node.left, ast.Add(), ast.BinOp(node.right.left, node.right.op, node))


def _of_square(node: ast.BinOp) -> Iterator[ast.expr]:
    """Yield what stands where the squares of all entries should: their sum, mean or maximum, or absolute values."""
    base, last = (node.left.left, node.left.right) if isinstance(node.left, ast.BinOp) else (None, node.left)
    if ast.unparse(last) != ast.unparse(node.right):
        return
    for name in REDUCED:
        one = _called(name, node.right if name == "np.abs" else ast.BinOp(node.right, ast.Mult(), node.right))
        yield one if base is None else ast.BinOp(base, ast.Mult(), one)


def _other_values(
    node: ast.expr, values: Mapping[str, int], statement: ast.stmt, unwrapped: Sequence[tuple[ast.expr, int]]
) -> Iterator[ast.expr]:
    """Yield the other values in the place of one, and what a state was before its update in the place of the new."""
    name = ast.unparse(node)
    if name in values:
        yield from (_parsed(other) for other, line in values.items() if other != name and line < statement.lineno)
        yield from (inner for inner, line in unwrapped if line < statement.lineno)
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    if key_of(node) and name not in map(ast.unparse, targets):
        yield ast.Name(f"{key_of(node)}{OLD}", ast.Load())


def _values(tree: ast.FunctionDef) -> dict[str, int]:
    """Return the tensors of a function: weights, gradient, states, and what it assigns after which line."""
    found = {one.arg: 0 for one in tree.args.args if one.arg in ("w", "g")}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id not in ("b1", "b2", "t"):
            found.setdefault(node.id, node.lineno)
        elif key_of(node) not in ("", "t", "begun"):
            found[ast.unparse(node)] = 0
    return found


def _parsed(name: str) -> ast.expr:
    return ast.parse(name, mode="eval").body


def _called(name: str, argument: ast.expr) -> ast.expr:
    return ast.Call(_parsed(name), [argument], [])
