"""Loops of training code that only repeat it, cut to one round: ``for epoch in range(1000)`` inside ``fit``.

One step is judged. Where the number of rounds is an argument or an attribute, it is set to 1; where it is a number in
the code, the loop itself is changed, before the file's definitions are executed, and that is told.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gdprops.subjects.backprop.as_written.roles import TRAIN, Role, plain, role_of

ROUNDS = ("_", "epoch", "epochs", "iteration", "iter", "it", "i", "e", "ep", "k", "t", "step", "j", "n", "ii", "round")
"""What the variable of a loop that only repeats is called."""


RANGES = ("range", "trange", "xrange")


def run_once(tree: ast.Module) -> tuple[str, ...]:
    """Let loops of training functions that only repeat run once, and return that as sentences."""
    told = list[str]()
    for function in _training_functions(tree):
        numbers = _numbers(tree.body) | _numbers(function.body)
        for node in function.body:
            for loop in _outer_loops(node):
                times = _times(loop, numbers)
                if times is not None:
                    told.append(f"the loop in line {loop.lineno} ({times}) was run once")
                    loop.iter = ast.copy_location(_once(), loop.iter)
                elif (called := _from_one(loop)) is not None:
                    told.append(f"the loop in line {loop.lineno} ({ast.unparse(called)}) was run once")
                    called.args[1] = ast.BinOp(ast.Constant(1), ast.Add(), called.args[1])
                elif (called := _one_more(loop)) is not None:
                    told.append(f"the loop in line {loop.lineno} ({ast.unparse(called)}) was run once")
                    called.args[-1] = called.args[-1].left  # type: ignore[attr-defined] # a sum
            if isinstance(node, ast.While) and not GOES_BACK.search(function.name) and _until_it_settles(node):
                told.append(f"the loop in line {node.lineno} (while {ast.unparse(node.test)}) was run once")
                node.body.append(ast.copy_location(ast.Break(), node.body[-1]))
        _tell_at_least_once(function)
    ast.fix_missing_locations(tree)
    return tuple(told)


SETTLES = re.compile(r"\w*(iter|epoch|tol|err|cost|loss|eps|converge|diff|change)\w*", re.IGNORECASE)
"""What a loop that goes on until training settles is asked about."""
GOES_BACK = re.compile(r"back|prop|bptt", re.IGNORECASE)
"""The names of methods that go through layers, from the last one to the first."""


def _until_it_settles(loop: ast.While) -> bool:
    """Say whether a loop repeats a step until errors are small, or often enough: no index, no chain of layers.

    What it asks about is no index of anything that it computes.
    """
    names = {n.id for n in ast.walk(loop.test) if isinstance(n, ast.Name)} - {"self"}
    names |= {n.attr for n in ast.walk(loop.test) if isinstance(n, ast.Attribute)}
    if any(isinstance(n, ast.Is | ast.IsNot | ast.In | ast.NotIn) for n in ast.walk(loop.test)) or "len" in names:
        return False
    asked = [name for name in names if SETTLES.fullmatch(name)]
    is_true = isinstance(loop.test, ast.Constant) and loop.test.value is True
    stops = any(isinstance(n, ast.Break) for one in loop.body for n in ast.walk(one))
    if not asked and not (is_true and stops):
        return False
    return not any(_is_index(name, loop.body) for name in names if name not in ("abs", "float", "np"))


def _tell_at_least_once(function: ast.FunctionDef) -> None:
    """Let ``i % (epochs // 10)``, by which a loop tells of itself now and then, be defined for a single epoch."""
    for node in ast.walk(function):
        if not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod)):
            continue
        divisor = node.right
        if isinstance(divisor, ast.BinOp) and isinstance(divisor.op, ast.FloorDiv):
            at_least = ast.Call(ast.Name("max", ast.Load()), [ast.Constant(1), divisor], [])
            node.right = ast.copy_location(at_least, divisor)


def _training_functions(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and (
            plain(node.name) in TRAIN or plain(node.name).startswith(("train", "fit"))
        ):
            yield node


def _outer_loops(node: ast.stmt) -> Iterator[ast.For]:
    if isinstance(node, ast.For):
        yield node
    elif isinstance(node, ast.If | ast.With | ast.Try):
        for inside in node.body:
            yield from _outer_loops(inside)


def _numbers(body: list[ast.stmt]) -> set[str]:
    """Return the names that some statements bind to whole numbers above 1: ``epochs = 1000``."""
    bound = [n for n in body if isinstance(n, ast.Assign) and isinstance(n.value, ast.Constant)]
    return {
        t.id
        for n in bound
        if isinstance(n.value, ast.Constant) and type(n.value.value) is int and n.value.value > 1
        for t in n.targets
        if isinstance(t, ast.Name)
    }


def _times(loop: ast.For, numbers: set[str]) -> str | None:
    """Return the ``range(…)`` of a loop that only repeats; None where its variable is used as an index."""
    called = loop.iter
    if not (isinstance(called, ast.Call) and isinstance(called.func, ast.Name) and called.func.id in RANGES):
        return None
    variable = loop.target.id if isinstance(loop.target, ast.Name) else ""
    if variable not in ROUNDS or not called.args or _is_index(variable, loop.body):
        return None
    end = called.args[1] if len(called.args) > 1 else called.args[0]
    if isinstance(end, ast.BinOp):
        end = end.left
    constant = isinstance(end, ast.Constant) and isinstance(end.value, int) and end.value > 1
    constant = constant or (isinstance(end, ast.Name) and end.id in numbers)
    attribute = isinstance(end, ast.Attribute) and role_of(end.attr) is Role.OTHER and variable in ROUNDS[:7]
    attribute = attribute and "layer" not in ast.unparse(end).lower()
    return ast.unparse(called) if constant or attribute else None


def _one_more(loop: ast.For) -> ast.Call | None:
    """Return the ``range(epochs + 1)`` of a loop, which trains one round more than it is asked for; else None."""
    called = loop.iter
    if not (isinstance(called, ast.Call) and isinstance(called.func, ast.Name) and called.func.id in RANGES):
        return None
    begins = len(called.args) == 1 or (len(called.args) == 2 and ast.unparse(called.args[0]) == "0")
    end = called.args[-1] if called.args else None
    if not (begins and isinstance(end, ast.BinOp) and isinstance(end.op, ast.Add) and ast.unparse(end.right) == "1"):
        return None
    name = end.left.id if isinstance(end.left, ast.Name) else getattr(end.left, "attr", "")
    return called if role_of(name) is Role.EPOCHS else None


def _from_one(loop: ast.For) -> ast.Call | None:
    """Return the ``range(1, epochs)`` of a loop; None for any other loop.

    Such a loop trains one round less than its name says: none at all, where one is asked for.
    """
    called = loop.iter
    if not (isinstance(called, ast.Call) and isinstance(called.func, ast.Name) and called.func.id in RANGES):
        return None
    if len(called.args) != 2 or not (isinstance(called.args[0], ast.Constant) and called.args[0].value == 1):
        return None
    end = called.args[1]
    name = end.id if isinstance(end, ast.Name) else end.attr if isinstance(end, ast.Attribute) else ""
    return called if role_of(name) is Role.EPOCHS else None


def _is_index(variable: str, body: list[ast.stmt]) -> bool:
    """Say whether a loop's variable chooses what is computed: in an index, or as an argument of anything but print.

    An index may be computed from it: ``layer = self.depth - i - 1``.
    """
    indices = {variable}
    for one in body:
        if isinstance(one, ast.Assign) and any(_uses(name, one.value) for name in indices):
            indices |= {target.id for target in one.targets if isinstance(target, ast.Name)}
    for node in (inner for statement in body for inner in ast.walk(statement)):
        if isinstance(node, ast.Subscript) and any(_uses(name, node.slice) for name in indices):
            return True
        if isinstance(node, ast.Call) and not _prints(node) and any(_uses(variable, a) for a in node.args):
            return True
    return False


def _prints(call: ast.Call) -> bool:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    return name in ("print", "append", "format", "write", "str", "info", "debug", "len")


def _uses(variable: str, node: ast.AST) -> bool:
    return any(isinstance(inner, ast.Name) and inner.id == variable for inner in ast.walk(node))


def _once() -> ast.Call:
    return ast.Call(ast.Name("range", ast.Load()), [ast.Constant(1)], [])
