"""Lists that describe layers: ``[(3, 4, "relu"), (4, 2, "sigmoid")]``, ``[(4, "relu"), (2, "sigmoid")]``, or dicts.

A file that holds such a list says best what it may be: only the sizes in it are replaced. Else which entries a dict of
a layer has is told by the code itself: the texts by which it looks something up.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator
from sys import intern
from typing import Any

from gdprops.subjects.backprop.as_written.definition import definition_of
from gdprops.subjects.backprop.as_written.roles import size_of

ACTIVATIONS = ("sigmoid", "tanh", "relu")
KINDS = ("in, out and name", "out and name", "dicts")
Arguments = tuple[tuple[str, str], ...]
AS, LIKE = "layers as ", "layers like "
IN, HIDDEN, OUT = "<in>", "<hidden>", "<out>"
"""What stands for a size in a list of the file's own."""


def described_layers(found: Callable[..., Any], arguments: Arguments) -> Iterator[Arguments]:
    """Yield arguments in which descriptions of layers stand in the place of a list of sizes."""
    own = [f"{LIKE}{template!r}" for template in _templates(found)]
    for told in own or _usual(found):
        yield tuple((name, told if what == "list" else what) for name, what in arguments)


def _usual(found: Callable[..., Any]) -> Iterator[str]:
    keys, words = _keys(found), _compared(found)
    for kind in KINDS:
        if kind == "dicts" and not keys:
            continue
        for activation in [name for name in ACTIVATIONS if name in words] or ACTIVATIONS:
            yield f"{AS}{kind}: {activation}{''.join(f' {key}' for key in keys) if kind == 'dicts' else ''}"


def _compared(found: Callable[..., Any]) -> set[str]:
    """Return the words that a file compares something with, or looks functions up by."""
    tree = _file_of(found)
    sides = [key for n in ast.walk(tree) if isinstance(n, ast.Dict) for key in n.keys if key is not None]
    sides += [side for n in ast.walk(tree) if isinstance(n, ast.Compare) for side in (n.left, *n.comparators)]
    return {side.value for side in sides if isinstance(side, ast.Constant) and isinstance(side.value, str)}


def _file_of(found: Callable[..., Any]) -> ast.Module:
    try:
        return ast.parse("".join(inspect.findsource(found)[0]))
    except (OSError, TypeError, SyntaxError, IndentationError):
        return ast.Module([], [])


def is_described(what: str) -> bool:
    """Say whether an argument gets descriptions of layers."""
    return what.startswith((AS, LIKE))


def layers_of(what: str, n_in: int, hidden: int, n_out: int) -> list[Any]:
    """Return two layers as they are described, after the inputs where these are described too."""
    if what.startswith(LIKE):
        sizes = {IN: n_in, HIDDEN: hidden, OUT: n_out}
        return [_filled(entry, sizes) for entry in ast.literal_eval(what.removeprefix(LIKE))]
    kind, _, rest = what.removeprefix(AS).partition(": ")
    activation, *keys = rest.split()
    widths = [(n_in, hidden), (hidden, n_out)]
    if kind == KINDS[0]:
        return [(a, b, activation) for a, b in widths]
    if kind == KINDS[1]:
        return [(b, activation) for _, b in widths]
    return [{key: activation if _is_name(key) else a if size_of(key) == "in" else b for key in keys} for a, b in widths]


def _filled(entry: Any, sizes: dict[str, int]) -> Any:
    """Return an entry with sizes; its texts are the very ones that code compares by ``is``."""
    if isinstance(entry, dict):
        return {key: _filled(value, sizes) for key, value in entry.items()}
    if isinstance(entry, tuple | list):
        return type(entry)(_filled(value, sizes) for value in entry)
    return sizes.get(entry, intern(entry)) if isinstance(entry, str) else entry


def _templates(found: Callable[..., Any]) -> list[list[Any]]:
    """Return the lists of layers that stand in the file in which something is defined, with marks for sizes."""
    lists = [n.elts for n in ast.walk(_file_of(found)) if isinstance(n, ast.List | ast.Tuple) and len(n.elts) > 1]
    made = [_template([_entry(element) for element in elements]) for elements in lists]
    return [one for k, one in enumerate(made) if one and one not in made[:k]]


def _entry(element: ast.expr) -> Any:
    """Return a description of one layer, with None for numbers and names; None for what is none."""
    if isinstance(element, ast.Dict) and all(isinstance(key, ast.Constant) for key in element.keys):
        keys = [key.value for key in element.keys if isinstance(key, ast.Constant)]
        return dict(zip(keys, map(_told, element.values), strict=True))
    return tuple(map(_told, element.elts)) if isinstance(element, ast.Tuple | ast.List) else None


def _told(value: ast.expr) -> str | None:
    return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else None


def _template(entries: list[Any]) -> list[Any] | None:
    """Return two layers like the first and the last of some, with marks for their sizes; None where they are none."""
    counts = [None if one is None else [v is None for v in _values(one)].count(True) for one in entries]
    texts = [any(isinstance(v, str) for v in _values(one)) for one in entries if one is not None]
    if None in counts or len(set(map(type, entries))) > 1 or set(counts) not in ({1}, {2}) or not all(texts[1:]):
        return None
    layers = entries if texts[0] else entries[1:]
    begins = [] if texts[0] else [_marked(entries[0], [IN])]
    if len(layers) < 2 or (begins and set(counts) != {1}):
        return None
    marks = [[HIDDEN], [OUT]] if set(counts) == {1} else [[IN, HIDDEN], [HIDDEN, OUT]]
    return [*begins, *(_marked(one, mark) for one, mark in zip((layers[0], layers[-1]), marks, strict=True))]


def _values(entry: Any) -> list[Any]:
    return list(entry.values() if isinstance(entry, dict) else entry)


def _marked(entry: Any, marks: list[str]) -> Any:
    """Return an entry with marks in the places of its numbers: a key that means outputs gets the last one."""
    if isinstance(entry, dict):
        free = [key for key, value in entry.items() if value is None]
        if len(free) == 2 and [size_of(str(key)) for key in free] == ["out", "in"]:
            free.reverse()
        named = dict(zip(free, marks, strict=True))
        return {key: named.get(key, value) for key, value in entry.items()}
    waiting = iter(marks)
    return tuple(next(waiting) if value is None else value for value in entry)


def _is_name(key: str) -> bool:
    return "activation" in key.lower() or key.lower() in ("act", "act_fn", "function", "func")


def _keys(found: Callable[..., Any]) -> list[str]:
    """Return the texts by which code looks up sizes and activations: ``layer["input_dim"]``."""
    texts = [
        n.slice.value
        for n in ast.walk(definition_of(found))
        if isinstance(n, ast.Subscript) and isinstance(n.slice, ast.Constant) and isinstance(n.slice.value, str)
    ]
    wanted = [
        t for t in dict.fromkeys(texts) if t.isidentifier() and (_is_name(t) or size_of(t) or t in ("neurons", "nodes"))
    ]
    return wanted if any(not _is_name(t) for t in wanted) else []
