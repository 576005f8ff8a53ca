"""Training loops in the text of a file: at its top level, or in a function that makes its weights and then trains them.

    def build_model(X, y, n_hidden, passes=20000):
        W1 = np.random.randn(2, n_hidden)
        ...
        for i in range(passes):
            ...
            delta = probs
            delta[range(len(X)), y] -= 1

Found is the body of such a loop, what it calls its samples and targets, and what it computes as its output: that from
which the targets are subtracted. What stands before the loop and depends on the data, or makes the weights, is its
setup, and is run anew for our own numbers.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from gdprops.subjects.backprop.as_written.literal_sizes import SMALL_SIZE
from gdprops.subjects.backprop.as_written.loop_objects import handed_with, made_objects, works_on
from gdprops.subjects.backprop.as_written.roles import Role, role_of, size_of

if TYPE_CHECKING:
    from gdprops.subjects.user_code.definitions import Definitions

TELLS = ("print", "append", "plot", "show", "write", "format", "set_description", "update_progress", "scatter", "title")
"""What is called to tell of a training, or to note it."""
OUR_SIZES = {"in": 3, "hidden": 4, "out": 2}
MOST_LOOPS = 8
OUTPUTS = "gdprops_outputs"
"""The list in which a loop over samples notes its outputs."""


@final
@dataclass(frozen=True, slots=True)
class Loop:
    """A training loop: where it stands, its statements, what comes before it, what its data and output are called.

    Attributes:
        function: the function that it stands in; None at the top level of a file.
        setup: the assignments before it, in their order.
        once: the names of loop variables, which are 0.
        forward: the statements up to where the output is compared.
        output: what is compared with the targets, as Python text.
        single: whether the data are one sample, from a loop over samples.
        objects: the names under which it holds objects of the user's classes, and works on them.
    """

    line: int
    function: ast.FunctionDef | None
    setup: tuple[ast.stmt, ...]
    body: tuple[ast.stmt, ...]
    once: tuple[str, ...]
    data: str
    targets: str
    forward: tuple[ast.stmt, ...]
    output: str
    single: bool
    objects: frozenset[str] = frozenset()

    @property
    def bound(self) -> list[str]:
        """The names that the loop binds or changes."""
        return list(dict.fromkeys(name for node in self.body for name in bound_in(node)))


def training_loops(definitions: Definitions) -> list[Loop]:
    """Return the training loops of a file, those at its top level first."""
    top, known = definitions.source.tree.body, vars(definitions.module)
    found = list(_in_block(top, [], None, (), known))
    for function in (n for n in ast.walk(definitions.source.tree) if isinstance(n, ast.FunctionDef)):
        if not (function.args.args and function.args.args[0].arg == "self"):
            before = [node for node in top if isinstance(node, ast.Assign)]
            found += _in_block(function.body, before, function, (), known)
    return found[:MOST_LOOPS]


def has_loop(tree: ast.Module) -> bool:
    """Say whether a script has a loop outside of functions."""
    script = [n for n in tree.body if not isinstance(n, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef)]
    return any(isinstance(inner, ast.For | ast.While) for node in script for inner in ast.walk(node))


def _in_block(
    block: Sequence[ast.stmt],
    before: Sequence[ast.stmt],
    function: ast.FunctionDef | None,
    once: tuple[str, ...],
    known: Mapping[str, Any],
) -> Iterator[Loop]:
    """Yield the loops of a block that train, the outer ones before those inside them."""
    setup = list(before)
    for node in block:
        if isinstance(node, ast.For | ast.While):
            names = (*once, *_counters(node))
            lifted = _lifted(node, setup, function, names, known)
            if lifted is not None:
                yield lifted
            inside = list(_in_block(node.body, setup, function, names, known))
            yield from inside
            if lifted is None and not inside and isinstance(node, ast.For):
                setup.append(node)  # a loop that makes what another one trains
        elif isinstance(node, ast.If | ast.With | ast.Try):
            yield from _in_block(node.body, setup, function, once, known)
            setup += [inner for inner in node.body if isinstance(inner, ast.Assign | ast.AugAssign)]
        elif isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
            setup.append(node)
        elif isinstance(node, ast.Expr) and works_on(node, made_objects(setup, known)) and not _only_tells(node, once):
            setup.append(node)  # layers that are added one by one


def _counters(loop: ast.For | ast.While) -> list[str]:
    """Return the variables of a loop that count: all of ``range``, the first one of ``enumerate``."""
    if not isinstance(loop, ast.For):
        return []
    called = loop.iter.func if isinstance(loop.iter, ast.Call) else None
    name = called.id if isinstance(called, ast.Name) else called.attr if isinstance(called, ast.Attribute) else ""
    names = [n.id for n in ast.walk(loop.target) if isinstance(n, ast.Name)]
    return names if name in ("range", "trange", "xrange", "tqdm") else names[:1] if name == "enumerate" else []


def _lifted(
    loop: ast.For | ast.While,
    setup: Sequence[ast.stmt],
    function: ast.FunctionDef | None,
    once: tuple[str, ...],
    known: Mapping[str, Any],
) -> Loop | None:
    body = [node for node in loop.body if not _only_tells(node, once)]
    if not body or any(isinstance(n, ast.Return | ast.Yield | ast.Await) for node in body for n in ast.walk(node)):
        return None
    bound = {name for node in body for name in bound_in(node)}
    used = [n.id for node in body for n in ast.walk(node) if isinstance(n, ast.Name)]
    free = [n for n in dict.fromkeys(used) if n not in once]
    drawn = _drawn(loop)
    data = _named(drawn, free, Role.DATA, bound, setup, function)
    targets = _named(drawn, free, Role.TARGETS, bound, setup, function)
    if data is None or targets is None or data == targets:
        return None
    before = {name for node in setup for name in bound_in(node)} | set(_arguments_of(function))
    objects = (made_objects(setup, known) & set(used)) - {data, targets}
    body = _needed(body, bound & before, objects)
    forward, output = _compared(body, frozenset({targets}), bound, objects)
    if not output:
        return None
    setup = _needed(setup, {data, targets}.union(*map(_names, body)), objects)  # no plots, no models of other kinds
    single, parts = len(drawn) == 2, (tuple(setup), tuple(body), once, data, targets, tuple(forward), output)
    return Loop(loop.lineno, function, *parts, single, objects)


def _arguments_of(function: ast.FunctionDef | None) -> list[str]:
    return [] if function is None else [a.arg for a in function.args.args]


def _drawn(loop: ast.For | ast.While) -> list[str]:
    """Return the variables of a loop over samples: ``for x, t in zip(X, y)``."""
    if not isinstance(loop, ast.For):
        return []
    names = [n.id for n in ast.walk(loop.target) if isinstance(n, ast.Name)]
    return [name for name in names if name not in _counters(loop)]


def _named(
    drawn: Sequence[str],
    free: Sequence[str],
    role: Role,
    bound: set[str],
    setup: Sequence[ast.stmt],
    function: ast.FunctionDef | None,
) -> str | None:
    """Return what a loop calls its samples or targets: a variable of its own, else what it uses and does not bind."""
    if len(drawn) == 2:
        meant = [name for name in drawn if _role(name) is role]
        return meant[0] if meant else drawn[0] if role is Role.DATA else drawn[1]
    free = [name for name in free if name not in bound]
    found = [name for name in free if _role(name) is role]
    if role is Role.TARGETS:  # the outputs that are wanted
        found += [name for name in free if _role(name) is Role.OUTPUT]
    return found[0] if found else None


def _role(name: str) -> Role:
    role = role_of(name)
    if name in ("T", "Y", "t", "out") or re.match(r"[yYtT]_?(train|tr)", name):
        return Role.TARGETS
    return Role.DATA if re.match(r"[xX]_?(train|tr)", name) else role


def _only_tells(node: ast.stmt, once: Sequence[str]) -> bool:
    """Say whether a statement only prints, plots or notes something, or does so now and then."""
    if isinstance(node, ast.Expr):
        if not isinstance(node.value, ast.Call):
            return True
        text = ast.unparse(node.value.func)
        return text.rpartition(".")[2] in TELLS or text.startswith(("plt.", "logging.", "sys.", "time."))
    if isinstance(node, ast.If):
        every = isinstance(node.test, ast.Compare) and any(
            isinstance(n, ast.Name) and n.id in once for n in ast.walk(node.test)
        )
        return every or all(_only_tells(n, once) or isinstance(n, ast.Break | ast.Pass) for n in node.body)
    return isinstance(node, ast.Pass | ast.Import | ast.ImportFrom | ast.Assert)


def bound_in(node: ast.AST) -> list[str]:
    """Return the names that a statement binds or changes, wherever in it."""
    found = list[str]()
    for inner in ast.walk(node):
        targets: list[ast.AST] = []
        if isinstance(inner, ast.Assign):
            targets = list(inner.targets)
        elif isinstance(inner, ast.AugAssign | ast.AnnAssign | ast.For):
            targets = [inner.target]
        for target in targets:
            found += _bound_by(target)
    return found


def _bound_by(target: ast.AST) -> list[str]:
    if isinstance(target, ast.Name):
        return [target.id]
    if isinstance(target, ast.Tuple | ast.List):
        return [name for one in target.elts for name in _bound_by(one)]
    if isinstance(target, ast.Subscript | ast.Attribute | ast.Starred):
        return _bound_by(target.value)
    return []


def _compared(
    body: Sequence[ast.stmt], targets: frozenset[str], bound: set[str], objects: frozenset[str]
) -> tuple[list[ast.stmt], str]:
    """Return the statements before the targets are subtracted from something, and that as text.

    Where it happens in a loop over the samples inside, that loop is cut there and notes every sample's output.
    """
    for k, statement in enumerate(body):
        targets = targets | _renamed(statement, targets, bound)
        if isinstance(statement, ast.For):
            inside, output = _compared(statement.body, targets | _drawn_from(statement, targets), bound, objects)
            if output:
                note = ast.parse(f"{OUTPUTS}.append({output})").body
                cut = ast.For(statement.target, statement.iter, [*inside, *note], [], lineno=statement.lineno)
                return [*body[:k], ast.fix_missing_locations(ast.copy_location(cut, statement))], OUTPUTS
            continue
        output = _subtracted(statement, targets, bound) or _handed_over(statement, targets, bound, objects)
        if output:
            return list(body[:k]), output
    return [], ""


def _renamed(statement: ast.stmt, targets: frozenset[str], bound: set[str]) -> set[str]:
    """Return what the targets are called after a statement: ``yb = y[i:j]``, ``t = one_hot(y)``."""
    found = set[str]()
    for node in [statement] if isinstance(statement, ast.Assign) else []:
        target, value = node.targets[0], node.value
        both = isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple)
        pairs = zip(target.elts, value.elts, strict=False) if both else [(target, value)]  # type: ignore[attr-defined]
        for one, given in pairs:
            if isinstance(one, ast.Name) and _is_target(given, targets, bound):
                found.add(one.id)
    return found


def _drawn_from(loop: ast.For, targets: frozenset[str]) -> set[str]:
    """Return the variable of ``for x, t in zip(X, y)`` that is one of the targets."""
    if not (isinstance(loop.iter, ast.Call) and isinstance(loop.target, ast.Tuple)):
        return set()
    called = [n.id for n in loop.iter.args if isinstance(n, ast.Name)]
    names = [n.id for n in loop.target.elts if isinstance(n, ast.Name)]
    return {name for name, given in zip(names, called, strict=False) if given in targets}


def _subtracted(statement: ast.stmt, targets: frozenset[str], bound: set[str]) -> str:
    """Return what the targets are subtracted from in a statement, as text; ``d[range(n), y] -= 1`` is one."""
    for node in ast.walk(statement):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub):
            for side, other in ((node.left, node.right), (node.right, node.left)):
                if _is_target(side, targets, bound) and _names(other) & bound and not _names(other) & targets:
                    return ast.unparse(other)
        if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Sub):
            base = node.target.value if isinstance(node.target, ast.Subscript) else node.target
            at = _names(node.target.slice) if isinstance(node.target, ast.Subscript) else set()
            if isinstance(base, ast.Name) and base.id in bound and (at | _names(node.value)) & targets:
                return base.id
    return ""


def _handed_over(statement: ast.stmt, targets: frozenset[str], bound: set[str], objects: frozenset[str]) -> str:
    """Return what is handed to a function together with the targets: the output, by its name or as computed last."""
    for node in ast.walk(statement):
        if isinstance(node, ast.Call):
            names = [
                n.id
                for a in (*node.args, *(k.value for k in node.keywords))
                for n in ast.walk(a)
                if isinstance(n, ast.Name)
            ]
            given = [name for name in names if name in bound and name not in targets]
            if given and targets & set(names):
                said = [name for name in given if role_of(name) is Role.OUTPUT]
                return (said or given)[-1]
            held = handed_with(node, targets, objects)
            if held:
                return held
    return ""


def _is_target(node: ast.AST, targets: frozenset[str], bound: set[str]) -> bool:
    """Say whether something is the targets, or is made of them alone: ``y``, ``y.T``, ``one_hot(y)``, ``y[i]``."""
    if isinstance(node, ast.Name):
        return node.id in targets
    if isinstance(node, ast.Attribute | ast.Subscript):
        return _is_target(node.value, targets, bound)
    if isinstance(node, ast.Call):
        alone = not (_names(node) & bound) - targets
        inside = isinstance(node.func, ast.Attribute) and _is_target(node.func.value, targets, bound)
        return alone and (inside or any(_is_target(argument, targets, bound) for argument in node.args))
    return False


def _names(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}


def _needed(body: Sequence[ast.stmt], kept: set[str], objects: frozenset[str]) -> list[ast.stmt]:
    """Return the statements on which some names depend, and those that work on some objects.

    What is only computed to be told is left out.
    """
    found = list[ast.stmt]()
    for node in reversed(body):
        is_kept = isinstance(node, ast.Expr | ast.FunctionDef) or set(bound_in(node)) & kept
        if is_kept or works_on(node, objects):
            found.insert(0, node)
            kept = kept | _names(node)
    return found


def small_size(node: ast.stmt) -> dict[str, int]:
    """Return our own sizes for the large ones that a statement names: ``D_in, H = 1000, 100``."""
    if not isinstance(node, ast.Assign):
        return {}
    target, value = node.targets[0], node.value
    names = target.elts if isinstance(target, ast.Tuple) else [target]
    values = value.elts if isinstance(value, ast.Tuple) else [value]
    found = {}
    for name, number in zip(names, values, strict=False):
        if isinstance(name, ast.Name) and isinstance(number, ast.Constant) and type(number.value) is int:
            size = size_of(name.id)
            if size in OUR_SIZES and number.value > SMALL_SIZE:
                found[name.id] = OUR_SIZES[size]
    return found
