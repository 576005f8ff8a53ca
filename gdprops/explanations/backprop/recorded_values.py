"""What every line of the user's own code assigns while one step runs: the values, in the order of execution.

A statement is followed to its end, then its targets are looked at: ``delta = …``, ``self.W1 -= …``,
``grads['W1'] = …``, ``errors.append(…)``, and what a function returns. Only names, attributes and items are looked at,
so nothing is computed a second time.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any, NamedTuple, final

import numpy as np

from gdprops.errors import UsageError
from gdprops.subjects.user_code.place import is_own
from gdprops.subjects.user_code.source import source_of

if TYPE_CHECKING:
    from gdprops.model.arrays import Array

MOST_VALUES = 20_000
LARGEST = 4096
RETURNED = "return"


class Value(NamedTuple):
    """Numbers that a line has assigned or returned: to what, the names that the line reads, and in which call.

    ``caller`` is the line that called the function in which it stands; 0 where nothing of the user's did.
    """

    file: str
    line: int
    target: str
    reads: frozenset[str]
    array: Array
    caller: int = 0


@final
class Statement(NamedTuple):
    """A statement that assigns or returns: its lines, its targets as code, and the names that it reads.

    ``wholes``: the targets of which it assigns only an item. ``entries``: the lines of what it lists, a value in each.
    """

    first: int
    last: int
    targets: tuple[tuple[str, CodeType], ...]
    reads: frozenset[str]
    returns: bool
    wholes: frozenset[str] = frozenset()
    entries: tuple[int, ...] = ()


def recorded(run: Callable[[], Any]) -> list[Value]:
    """Return what the lines of the user's code assign while a function runs."""
    recorder = _Recorder()
    before = sys.gettrace()
    sys.settrace(recorder.trace)
    try:
        run()
    finally:
        sys.settrace(before)
    return recorder.values


class _Recorder:
    """Follows frames of the user's code, statement by statement."""

    def __init__(self) -> None:
        self.values: list[Value] = []
        self._at: dict[FrameType, Statement | None] = {}

    def trace(self, frame: FrameType, event: str, arg: Any) -> Any:
        """Note what the statement has assigned that has just ended."""
        file = frame.f_code.co_filename
        if not is_own(file) or len(self.values) > MOST_VALUES:
            return None
        if event == "line":
            now, before = _statements(file).get(frame.f_lineno), self._at.get(frame)
            if before is not None and (now is not before or frame.f_lineno == before.first):
                self._note(frame, before)
            self._at[frame] = now
        elif event == "return":
            before = self._at.pop(frame, None)
            if before is not None and before.returns:
                self._keep(frame, before, RETURNED, arg)
            elif before is not None:
                self._note(frame, before)
        return self.trace

    def _note(self, frame: FrameType, statement: Statement) -> None:
        for text, code in statement.targets:
            try:
                value = eval(code, frame.f_globals, frame.f_locals)
            except Exception:  # a name that is not bound any more
                continue
            if not isinstance(value, np.ndarray) and text in statement.wholes:
                continue
            self._keep(frame, statement, text, value)

    def _keep(self, frame: FrameType, statement: Statement, text: str, value: Any) -> None:
        back = frame.f_back
        caller = back.f_lineno if back is not None and is_own(back.f_code.co_filename) else 0
        listed = list(value.values() if isinstance(value, Mapping) else value) if statement.entries else []
        parts = zip(statement.entries, listed, strict=True) if len(listed) == len(statement.entries) else ()
        for line, part in list(parts) or [(statement.first, value)]:
            for array in _arrays(part, 0):
                file = frame.f_code.co_filename
                self.values.append(Value(file, line, text, statement.reads, array, caller))


def _arrays(value: Any, depth: int) -> Iterator[Array]:
    """Yield copies of the numbers that a value holds: an array, a number, lists and dicts of them."""
    if isinstance(value, np.ndarray):
        if value.dtype.kind == "f" and 0 < value.size <= LARGEST:
            yield np.array(value.view(np.ndarray))
    elif isinstance(value, float | np.floating):
        yield np.array(value, dtype=np.float64)
    elif isinstance(value, Mapping) and depth < 2:
        for inside in value.values():
            yield from _arrays(inside, depth + 1)
    elif isinstance(value, list | tuple) and value and depth < 2:
        if all(isinstance(v, float | int | np.floating) and not isinstance(v, bool) for v in value):
            yield np.array(value, dtype=np.float64)
        else:
            for inside in value:
                yield from _arrays(inside, depth + 1)


@lru_cache(maxsize=16)
def _statements(file: str) -> Mapping[int, Statement]:
    """Return by their lines the statements of a file that assign or return."""
    try:
        tree = source_of(Path(file)).tree
    except UsageError:
        return {}
    found: dict[int, Statement] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Return | ast.Expr):
            statement = _statement(node, file)
            for line in range(statement.first, statement.last + 1):
                found[line] = statement
    return found


def _statement(node: ast.stmt, file: str) -> Statement:
    targets = [*_targets(node)]
    codes = tuple((ast.unparse(one), _compiled(one, file)) for one in targets)
    value = getattr(node, "value", None)
    inside = [] if value is None else list(ast.walk(value))
    reads = {n.id if isinstance(n, ast.Name) else n.attr for n in inside if isinstance(n, ast.Name | ast.Attribute)}
    reads |= {str(n.value) for n in inside if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    wholes = frozenset(ast.unparse(one.value) for one in targets if isinstance(one, ast.Subscript))
    last, is_return = node.end_lineno or node.lineno, isinstance(node, ast.Return)
    entries = _entries(value) if is_return and last > node.lineno else ()
    return Statement(node.lineno, last, codes, frozenset(reads), is_return, wholes, entries)


def _entries(value: ast.expr | None) -> tuple[int, ...]:
    """Return the lines of the values that a dict, list or tuple is written with; none for any other value."""
    listed = (
        value.values if isinstance(value, ast.Dict) else value.elts if isinstance(value, ast.List | ast.Tuple) else ()
    )
    return tuple(one.lineno for one in listed)


def _compiled(node: ast.expr, file: str) -> CodeType:
    return compile(ast.Expression(ast.parse(ast.unparse(node), mode="eval").body), file, "eval")


def _targets(node: ast.stmt) -> Iterator[ast.expr]:
    """Yield what a statement assigns to, as expressions; of an item of an array also the whole array."""
    if isinstance(node, ast.Expr):
        call = node.value
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "append":
            yield ast.Subscript(call.func.value, ast.UnaryOp(ast.USub(), ast.Constant(1)), ast.Load())
        return
    given = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    waiting = [one for one in given if one is not None]
    while waiting:
        one = waiting.pop(0)
        if isinstance(one, ast.Tuple | ast.List):
            waiting += one.elts
        elif isinstance(one, ast.Starred):
            waiting.append(one.value)
        elif isinstance(one, ast.Name | ast.Attribute) or (isinstance(one, ast.Subscript) and _is_plain(one.slice)):
            yield one
            if isinstance(one, ast.Subscript):
                yield one.value
        elif isinstance(one, ast.Subscript):
            yield one.value


def _is_plain(index: ast.expr) -> bool:
    """Say whether an index computes nothing but numbers and text."""
    calls = [n for n in ast.walk(index) if isinstance(n, ast.Call)]
    return all(isinstance(c.func, ast.Name) and c.func.id in ("str", "len", "int") for c in calls)
