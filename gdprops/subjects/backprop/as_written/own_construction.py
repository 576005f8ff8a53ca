"""A network that its own file puts together: ``net = Network()``, then ``net.add(Dense(3, 4))``, ``net.use(mse)``.

Where no sizes can be handed to a constructor, the file itself says how an object is made: in its script, or in a
function that builds it. Those statements are executed anew for every object, and nothing of what follows them. Numbers
of units that are large (784 pixels) become small ones, each the same everywhere.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, final

from gdprops.subjects.backprop.as_written.literal_sizes import shrunk
from gdprops.subjects.backprop.as_written.roles import FORWARD, LOSS, TRAIN, plain
from gdprops.subjects.backprop.as_written.training_loops import bound_in
from gdprops.subjects.user_code.helper_modules import NONE, HelperModules

if TYPE_CHECKING:
    from gdprops.subjects.backprop.as_written.constructors import Made
    from gdprops.subjects.user_code.definitions import Definitions

STARTS = frozenset((*FORWARD, *TRAIN, *LOSS, "test", "print", "plot", "summary", "save", "load")) - {"step"}
"""The plain names of methods with which the use of an object begins."""


@final
@dataclass(frozen=True, slots=True)
class OwnConstruction:
    """The statements of a file that make an object, the name under which it stands, and what they work on.

    ``helpers`` and ``beside``: the modules and the name of another file, where it is not the one that is judged.
    """

    statements: tuple[ast.stmt, ...]
    name: str
    file: str
    known: Mapping[str, Any] = field(repr=False)
    helpers: HelperModules = NONE
    beside: str = ""
    takes_data: bool = False
    takes_rate: bool = False
    takes_sizes: bool = False

    def make(self, found: Any, made: Made) -> Any:
        """Return a new object."""
        del found, made
        names = dict(self.known)
        code = compile(ast.Module(list(self.statements), []), self.file, "exec", dont_inherit=True)
        with self.helpers.present():
            exec(code, names)  # the user's own code is what is examined
        return names[self.name]

    def lines(self, name: str, made: Made, data: Mapping[str, str]) -> list[str]:
        """Return the statements as Python text; the object is called ``net`` afterwards."""
        del name, made, data
        return [*(ast.unparse(one) for one in self.statements), *([f"net = {self.name}"] if self.name != "net" else [])]

    @property
    def told(self) -> str:
        """Where the object is made, in words."""
        first, last = self.statements[0].lineno, self.statements[-1].lineno
        lines = f"line {first}" if first == last else f"lines {first} to {last}"
        return f"made as in {lines}{f' of {self.beside}' if self.beside else ''}"


def own_constructions(found: type, definitions: Definitions, beside: str = "") -> Iterator[OwnConstruction]:
    """Yield the ways in which a file makes objects of a class, each with small sizes, then with its own.

    ``beside``: the file's name, where the class is defined in another one.
    """
    known, helpers = vars(definitions.module), definitions.helpers if beside else NONE
    for block, before in _blocks(definitions.source.tree):
        for k, node in enumerate(map(_returned, block)):
            name = _made_in(node, found.__name__)
            if name:
                statements = _with_needed([node, *_furnished(block[k + 1 :], name)], [*before, *block[:k]], known)
                for one in dict.fromkeys((tuple(shrunk(statements)), statements)):
                    yield OwnConstruction(one, name, str(definitions.source.path), known, helpers, beside)


def _blocks(tree: ast.Module) -> Iterator[tuple[list[ast.stmt], list[ast.stmt]]]:
    """Yield the statements of the script, and those of every function and method, each with what stands before it."""
    script = list[ast.stmt]()
    for node in tree.body:
        script += node.body if isinstance(node, ast.If) else [node]
    yield script, []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            yield node.body, script
        for method in node.body if isinstance(node, ast.ClassDef) else ():
            if isinstance(method, ast.FunctionDef):
                yield [_OfItself().visit(copy.deepcopy(one)) for one in method.body], script


class _OfItself(ast.NodeTransformer):
    """Makes plain names of a method's own attributes: ``self.net = Net(self.lr)`` is ``self_net = Net(self_lr)``."""

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        """Return the name for an attribute of ``self``."""
        self.generic_visit(node)
        if isinstance(node.value, ast.Name) and node.value.id == "self":
            return ast.copy_location(ast.Name(f"self_{node.attr}", node.ctx), node)
        return node


def _returned(node: ast.stmt) -> ast.stmt:
    """Return the statement that names what another one returns: ``net = Net()`` for ``return Net()``."""
    if isinstance(node, ast.Return) and isinstance(node.value, ast.Call):
        return ast.fix_missing_locations(
            ast.copy_location(ast.Assign([ast.Name("net", ast.Store())], node.value), node)
        )
    return node


def _made_in(node: ast.stmt, name: str) -> str:
    """Return the name that a statement binds to a new object of a class; empty where it does not."""
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and isinstance(node.targets[0], ast.Name):
        called = node.value.func
        if (called.id if isinstance(called, ast.Name) else getattr(called, "attr", "")) == name:
            return node.targets[0].id
    return ""


def _furnished(rest: Sequence[ast.stmt], name: str) -> list[ast.stmt]:
    """Return what follows with the object and does not use it yet: ``net.add(Dense(3, 4))``."""
    found = list[ast.stmt]()
    for node in rest:
        if not _mentions(node, name):
            continue
        methods = [n.func.attr for n in ast.walk(node) if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)]
        if any(plain(m) in STARTS or plain(m).startswith(("train", "fit")) for m in methods) or not methods:
            break
        if isinstance(node, ast.Expr | ast.For):
            found.append(node)
    return found


def _mentions(node: ast.AST, name: str) -> bool:
    return any(isinstance(n, ast.Name) and n.id == name for n in ast.walk(node))


def _with_needed(
    statements: Sequence[ast.stmt], before: Sequence[ast.stmt], known: Mapping[str, Any]
) -> tuple[ast.stmt, ...]:
    """Return statements with the assignments before them that they need: what is not defined, and plain numbers."""
    needed = {n.id for node in statements for n in ast.walk(node) if isinstance(n, ast.Name)}
    found = list(statements)
    for node in reversed(before):
        bound = set(bound_in(node))
        if isinstance(node, ast.Assign) and bound & needed and (bound - known.keys() or _has_number(node.value)):
            found.insert(0, node)
            needed |= {n.id for n in ast.walk(node.value) if isinstance(n, ast.Name)}
    return tuple(found)


def _has_number(node: ast.expr) -> bool:
    """Say whether a value is a whole number, or a list, tuple or dict of them: they may be numbers of units."""
    is_plain = all(
        not isinstance(n, ast.Call | ast.Attribute | ast.Subscript | ast.comprehension) for n in ast.walk(node)
    )
    return is_plain and any(isinstance(n, ast.Constant) and type(n.value) is int for n in ast.walk(node))
