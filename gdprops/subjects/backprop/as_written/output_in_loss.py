"""The output that a loss computes on its way: ``p`` in ``p = softmax(X @ W + b); return -np.sum(y * np.log(p))``.

Code without a forward pass of its own still computes its output inside its loss. Whatever the loss computes without its
targets may be that: its local variables, and the longest parts of its expressions in which no target occurs. The
function is compiled once more, with its own text, so that it returns these.
"""

from __future__ import annotations

import ast
import inspect
import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

import numpy as np

from gdprops.subjects.backprop.as_written.calls import parameters
from gdprops.subjects.backprop.as_written.definition import definition_of
from gdprops.subjects.backprop.as_written.roles import FORWARD, LOSS, Role, called, role_of
from gdprops.subjects.backprop.as_written.user_objects import is_defined

OUTPUT_IN_LOSS = "output_in_loss"
"""The method that a class without a forward pass is given."""
PART = "part_{}"
"""What a part of an expression is called that has no name in the code."""


def output_in(loss: Callable[..., Any]) -> Callable[..., Any] | None:
    """Return a function that takes what a loss takes but for its targets, and returns what may be its output, by name.

    None for a function that takes no targets, or whose text is not known.
    """
    taken = parameters(loss) or []
    targets = [p.name for p in taken if role_of(p.name) is Role.TARGETS and p.default is p.empty]
    samples = [p.name for p in taken if role_of(p.name) is Role.DATA]
    traced = _traced(loss, targets[0]) if len(targets) == 1 and samples else None
    if traced is None:
        return None
    asked = [p for p in taken if p.name != targets[0]]
    names = [p.name for p in asked]
    independent: dict[tuple[Any, ...], list[str]] = {}

    def found(given: Mapping[str, Any]) -> dict[str, Any]:
        shapes = tuple(np.shape(value) if isinstance(value, np.ndarray) else None for value in given.values())
        for number, (first, second) in enumerate(_stand_ins(given[samples[0]])):
            place = number, *shapes
            try:
                held = traced(**given, **{targets[0]: first})
                if place not in independent:
                    other = traced(**given, **{targets[0]: second})
                    independent[place] = [n for n in held if _is_same(held[n], other.get(n))]
            except Exception:  # targets of another form
                continue
            return {n: held[n] for n in reversed(independent[place]) if n in held and n not in given}
        raise TypeError(f"{loss.__name__} takes targets of no usual form")

    inside = ", ".join(f"{name}={name}" for name in names)
    made = _compiled(f"def {loss.__name__}({', '.join(names)}, *, _found): return _found(dict({inside}))", loss)
    made.__defaults__ = tuple(p.default for p in asked if p.default is not p.empty)
    made.__kwdefaults__ = {"_found": found}
    made.__wrapped__ = loss  # type: ignore[attr-defined] # its text is the loss's own
    made.__signature__ = inspect.Signature(asked)  # type: ignore[attr-defined] # inspect's own protocol
    return made


def is_output_in(function: Callable[..., Any]) -> bool:
    """Say whether a function was made of a loss, and stands in no file."""
    return "_found" in (getattr(function, "__kwdefaults__", None) or {})


def give_output(found: type) -> None:
    """Give a class a method for the output that its loss computes, where it has no method that does without targets."""
    defined = [n for n in dir(found) if is_defined(found, n) and inspect.isfunction(getattr(found, n, None))]
    if any(not _asks_for_targets(getattr(found, n)) for n in called(defined, ASKED)):
        return
    for name in called(defined, LOSS):
        made = output_in(getattr(found, name))
        if made is not None:
            setattr(found, OUTPUT_IN_LOSS, made)
            return


def _asks_for_targets(function: Callable[..., Any]) -> bool:
    return any(role_of(p.name) is Role.TARGETS and p.default is p.empty for p in parameters(function) or [])


ASKED = tuple(name for name in FORWARD if not name.startswith("predict") or "prob" in name)
"""The plain names of methods that return the output itself, and not the class that it tells."""


def _stand_ins(samples: Any) -> Iterator[tuple[Any, Any]]:
    """Yield pairs of targets in the forms that some samples suggest: two different ones of every form."""
    shape = np.shape(samples)
    count = shape[0] if shape else 1
    yield np.zeros((count, 1)), np.ones((count, 1))
    yield np.zeros((1, shape[-1] if shape else 1)), np.ones((1, shape[-1] if shape else 1))
    yield np.zeros(count, dtype=np.int64), np.ones(count, dtype=np.int64)
    yield np.zeros(count), np.ones(count)
    yield 0, 1
    yield [0.0] * count, [1.0] * count


def _is_same(a: Any, b: Any) -> bool:
    """Say whether two values are arrays, numbers in a list, or a cache of such, that are alike."""
    if isinstance(a, dict | tuple) and type(a) is type(b) and len(a) == len(b):
        held = [list(one.values()) if isinstance(one, dict) else list(one) for one in (a, b)]
        return all(itertools.starmap(_is_same, zip(*held, strict=True)))
    if not isinstance(a, np.ndarray | list | tuple | np.floating | float) or type(a) is not type(b):
        return False
    try:
        return np.shape(a) == np.shape(b) and np.array_equal(np.asarray(a), np.asarray(b), equal_nan=True)
    except (TypeError, ValueError):
        return False


def _traced(loss: Callable[..., Any], targets: str) -> Callable[..., dict[str, Any]] | None:
    """Return a loss as a function that returns its variables, and the parts of its expressions without targets."""
    outer = definition_of(loss)
    if not isinstance(outer, ast.FunctionDef):
        return None
    outer.decorator_list = []
    changed = _Named(_touched(outer, targets)).visit(outer)
    changed = _Returns().visit(changed)
    return _compiled(ast.unparse(ast.fix_missing_locations(changed)), loss)


def _compiled(text: str, like: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of some text among the global variables of another one; it is not bound to a name there."""
    names = dict[str, Any]()
    exec(compile(text, "<the output in a loss>", "exec", dont_inherit=True), like.__globals__, names)
    made = cast("Callable[..., Any]", next(iter(names.values())))
    made.__module__ = like.__module__
    return made


def _touched(outer: ast.FunctionDef, targets: str) -> set[str]:
    """Return the names of a function that may depend on its targets."""
    found = {targets}
    while True:
        more = {
            name
            for node in ast.walk(outer)
            if isinstance(node, ast.Assign | ast.AugAssign | ast.For | ast.comprehension)
            for part in [node.iter if isinstance(node, ast.For | ast.comprehension) else node.value]
            if any(isinstance(n, ast.Name) and n.id in found for n in ast.walk(part))
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
            for name in _bound(target)
        }
        if more <= found:
            return found
        found |= more


def _bound(target: ast.expr) -> Iterator[str]:
    """Yield the names that an assignment binds, or whose values it changes: ``d`` in ``d[rows, y] -= 1``."""
    while isinstance(target, ast.Subscript | ast.Attribute | ast.Starred):
        target = target.value
    if isinstance(target, ast.Name):
        yield target.id
    elif isinstance(target, ast.Tuple | ast.List):
        for inside in target.elts:
            yield from _bound(inside)


OWN_SCOPE = (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
"""What has variables of its own, which cannot be named outside."""


class _Named(ast.NodeTransformer):
    """Gives a name to every longest part of an expression in which no target occurs, and that computes something."""

    def __init__(self, touched: set[str]) -> None:
        self.touched, self.count = touched, 0

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        """Return an assignment with the parts of its value named, unless the whole value has a name."""
        if self._is_touched(node.value):
            node.value = self.visit(node.value)
        return node

    def visit(self, node: ast.AST) -> Any:
        """Return a node with its parts named."""
        if isinstance(node, OWN_SCOPE):
            return node
        if isinstance(node, ast.BinOp | ast.Call) and not self._is_touched(node):
            self.count += 1
            return ast.NamedExpr(ast.Name(PART.format(self.count), ast.Store()), node)
        return super().visit(node)

    def _is_touched(self, node: ast.AST) -> bool:
        return any(isinstance(n, ast.Name) and n.id in self.touched for n in ast.walk(node))


class _Returns(ast.NodeTransformer):
    """Lets a function return its local variables."""

    def visit_Return(self, node: ast.Return) -> ast.AST:
        """Return a statement that computes what was returned, and returns the local variables."""
        value = [ast.Expr(node.value)] if node.value is not None else []
        call = ast.Call(ast.Name("dict", ast.Load()), [ast.Call(ast.Name("locals", ast.Load()), [], [])], [])
        return ast.If(ast.Constant(True), [*value, ast.Return(call)], [])
