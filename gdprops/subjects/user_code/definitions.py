"""A file executed for what it defines, without what it does: imports, functions, classes and small values.

Students' files train when they are imported, read data that is not there, and plot. None of that is needed to know
the class that is defined above it. So a statement of the file's own script (a loop, a call, what computes with the
results) is left out, and told: "lines 40-75 were not run: the script itself". What fails although it is kept (an import
of a package that is not installed, a file of data) is left out too; only what uses it will fail.
"""

from __future__ import annotations

import ast
import hashlib
import linecache
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, final

from gdprops.errors import SubjectCrash, SubjectTimeout, UsageError
from gdprops.model.wording import on_one_line
from gdprops.subjects.user_code.absent import Absent, without_packages
from gdprops.subjects.user_code.calling import Calls
from gdprops.subjects.user_code.helper_modules import HelperModules, helpers_of
from gdprops.subjects.user_code.import_roots import package_of
from gdprops.subjects.user_code.importing import IMPORT_SECONDS, LOADED, content_of
from gdprops.subjects.user_code.quiet import quiet
from gdprops.subjects.user_code.small_values import MAKERS
from gdprops.subjects.user_code.source import NOTEBOOK, Source, source_of

SETS_UP = (
    "sys.path",
    "np.random.seed",
    "numpy.random.seed",
    "random.seed",
    "np.set_printoptions",
    "warnings.",
    "np.seterr",
)
"""How the calls begin that a file makes to be set up, not to train."""
MOST_LITERAL = 200_000
"""The characters of the largest statement that is executed: beyond it, it is data."""


@final
@dataclass(frozen=True, slots=True)
class Definitions:
    """What a file defines: its module, its source, the modules that it brought along, and what was left out.

    ``numbers``: what of it was given by us, by name, each with a sentence that says it.
    """

    module: ModuleType
    source: Source
    helpers: HelperModules
    skipped: tuple[tuple[int, int], ...] = ()
    missing: dict[str, str] = field(default_factory=dict)
    edited: tuple[str, ...] = ()
    numbers: dict[str, str] = field(default_factory=dict)

    @property
    def own(self) -> dict[str, Any]:
        """The functions and classes that the file itself defines at its top level, by name, in their order."""
        defined = [
            node.name
            for node in _flat(self.source.tree.body)
            if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef)
        ]
        return {name: vars(self.module)[name] for name in dict.fromkeys(defined) if name in vars(self.module)}

    def _range(self, first: int, last: int) -> str:
        """Return lines as they are counted in a file, or in the cell of a notebook."""
        cell, end = self.source.cell_of(first), self.source.cell_of(last)
        if cell is None or end is None:
            return f"{first}" if first == last else f"{first}-{last}"
        until = "" if end == cell else f" to {end[1]}" if end[0] == cell[0] else f" to {end[1]} of cell {end[0]}"
        return f"{cell[1]}{until} of cell {cell[0]}" if end[0] == cell[0] else f"{cell[1]} of cell {cell[0]}{until}"

    @property
    def told(self) -> tuple[str, ...]:
        """What was left out, as sentences."""
        found = list[str]()
        if self.skipped:
            ranges = ", ".join(self._range(*one) for one in self.skipped[:MOST_RANGES])
            more = f" and {len(self.skipped) - MOST_RANGES} more" if len(self.skipped) > MOST_RANGES else ""
            one = len(self.skipped) == 1 and self.skipped[0][0] == self.skipped[0][1]
            found.append(
                f"{'line' if one else 'lines'} {ranges}{more} {'was' if one else 'were'} not run: the script itself"
            )
        if self.source.left_out:
            found.append(f"not Python, and not run: {', '.join(self.source.left_out[:MOST_RANGES])}")
        found += [
            f"{name} could not be made ({why}), and is not needed to define the rest"
            for name, why in self.missing.items()
        ]
        return (*found, *self.edited, *self.helpers.told, *self.numbers.values())


MOST_RANGES = 4
_LOADED: dict[Path, tuple[bytes, Definitions]] = {}
"""What files define, with the text that they had."""


def definitions_of(path: Path, edit: Callable[[ast.Module], tuple[str, ...]] | None = None) -> Definitions:
    """Return what a file or notebook defines; it is executed once, until it or one of its helper modules is changed.

    ``edit`` may change the statements before they are executed, and returns what it did as sentences. Raises
    `UsageError` in one line.
    """
    where = path.resolve()
    text, found = _LOADED.get(where, (b"", None))
    if found is None or text != content_of(where) or found.helpers is not helpers_of(path):
        source = source_of(path)
        edited = () if edit is None else edit(source.tree)
        found = replace(_loaded(source), edited=edited)
        _LOADED[where] = content_of(where), found
    return found


def _loaded(source: Source) -> Definitions:
    helpers = helpers_of(source.path)
    name = f"{LOADED}{hashlib.sha256(str(source.path.resolve()).encode()).hexdigest()[:12]}_definitions"
    module = ModuleType(name)
    module.__file__ = str(source.path.resolve())
    module.__package__ = package_of(source.path.resolve())[0] or None
    if source.path.suffix == NOTEBOOK:
        text = source.text
        linecache.cache[str(source.path)] = (len(text), None, text.splitlines(keepends=True), str(source.path))
    sys.modules[name] = module
    missing, skipped = dict[str, str](), list[ast.stmt]()
    try:
        with helpers.present(), quiet(), Calls(IMPORT_SECONDS, "to be defined").to("defining its functions"):
            _execute(source, module, missing, skipped)
    except SubjectTimeout as hang:
        raise UsageError(f"{source.path} takes more than {IMPORT_SECONDS:g} s to define what it defines") from hang
    except SubjectCrash as crash:
        raise UsageError(f"{source.path} cannot be read: {crash}") from crash
    return Definitions(module, source, helpers, _ranges(skipped), missing)


def _execute(source: Source, module: ModuleType, missing: dict[str, str], skipped: list[ast.stmt]) -> None:
    for node in _flat(source.tree.body):
        if not _is_kept(node, source):
            skipped.append(node)
            continue
        try:
            code = compile(ast.Module([node], []), str(source.path), "exec", dont_inherit=True)
            exec(code, vars(module))  # the user's own code is what is examined
        except Exception as error:
            told = f"{type(error).__name__}: {on_one_line(error)}"
            if isinstance(error, ModuleNotFoundError) and isinstance(node, ast.Import | ast.ImportFrom):
                packages = without_packages(partial(exec, code, vars(module)), error, _imported(node))
                missing.update(packages)
                if packages:
                    continue
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                missing[f"{node.name} (line {node.lineno})"] = told
            elif isinstance(node, ast.Import | ast.ImportFrom):
                _stand_in(node, module, told)
            else:
                skipped.append(node)


def _imported(node: ast.Import | ast.ImportFrom) -> set[str]:
    """Return the modules that a statement imports."""
    return {node.module or ""} if isinstance(node, ast.ImportFrom) else {alias.name for alias in node.names}


def _stand_in(node: ast.Import | ast.ImportFrom, module: ModuleType, told: str) -> None:
    for alias in node.names:
        name = alias.asname or alias.name.partition(".")[0]
        if name != "*" and name not in vars(module):
            vars(module)[name] = Absent(alias.name, told)


def _flat(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements of a file; those of an `if` around definitions come one by one."""
    for node in body:
        if isinstance(node, ast.Try) and any(isinstance(n, ast.Import | ast.ImportFrom) for n in node.body):
            yield node
        elif isinstance(node, ast.If) and not _is_main(node) and _defines(node.body):
            yield from _flat(node.body)
        else:
            yield node


def _defines(body: list[ast.stmt]) -> bool:
    return any(isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom) for node in body)


def _is_main(node: ast.If) -> bool:
    return "__name__" in ast.unparse(node.test)


def _is_kept(node: ast.stmt, source: Source) -> bool:
    if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef | ast.Import | ast.ImportFrom | ast.Try):
        return not isinstance(node, ast.Try) or all(
            isinstance(n, ast.Import | ast.ImportFrom | ast.Assign | ast.Pass | ast.Expr) for n in node.body
        )
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant) or ast.unparse(node.value).startswith(SETS_UP)
    if isinstance(node, ast.Assign | ast.AnnAssign):
        return _is_small(node) and _calls(node) - _from_gdprops(source.tree) <= MAKERS
    return isinstance(node, ast.Pass | ast.Global)


def _is_small(node: ast.stmt) -> bool:
    return (node.end_lineno or node.lineno) - node.lineno < MOST_LITERAL // 80


def _calls(node: ast.AST) -> set[str]:
    """Return the last names of everything that a statement calls; the inside of a lambda is not called."""
    found, waiting = set[str](), [node]
    while waiting:
        one = waiting.pop()
        if isinstance(one, ast.Lambda):
            continue
        if isinstance(one, ast.Call):
            called = one.func
            found.add(called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "?"))
        waiting += ast.iter_child_nodes(one)
    return found


def _from_gdprops(tree: ast.Module) -> set[str]:
    """Return the names of functions that make subjects: those of this package, if the file imports it."""
    imported = [n for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom)]
    names = {
        a.asname or a.name for n in imported if isinstance(n, ast.ImportFrom) for a in n.names if n.module == "gdprops"
    }
    whole = any(a.name == "gdprops" for n in imported if isinstance(n, ast.Import) for a in n.names)
    calls = [n.func for n in ast.walk(tree) if isinstance(n, ast.Call)] if whole else []
    return names | {f.attr for f in calls if isinstance(f, ast.Attribute) and ast.unparse(f.value) == "gdprops"}


def _ranges(skipped: list[ast.stmt]) -> tuple[tuple[int, int], ...]:
    """Return the lines of statements, those that follow one another joined."""
    found = list[tuple[int, int]]()
    for node in sorted(skipped, key=lambda one: one.lineno):
        first, last = node.lineno, node.end_lineno or node.lineno
        if found and first <= found[-1][1] + 2:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return tuple(found)
