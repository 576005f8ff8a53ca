"""Lists that describe layers: ``[(3, 4, "relu"), (4, 2, "sigmoid")]``, ``[(4, "relu"), (2, "sigmoid")]``, or dicts.

Which entries a dict of a layer has is told by the class itself: the texts by which it looks something up.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from typing import Any

from gdprops.subjects.backprop.as_written.roles import size_of

ACTIVATIONS = ("sigmoid", "tanh", "relu")
KINDS = ("in, out and name", "out and name", "dicts")
Arguments = tuple[tuple[str, str], ...]


def described_layers(found: type, arguments: Arguments) -> Iterator[Arguments]:
    """Yield arguments in which descriptions of layers stand in the place of a list of sizes."""
    keys = _keys(found)
    for kind in KINDS:
        if kind == "dicts" and not keys:
            continue
        for activation in ACTIVATIONS:
            told = f"layers as {kind}: {activation}{''.join(f' {key}' for key in keys) if kind == 'dicts' else ''}"
            yield tuple((name, told if what == "list" else what) for name, what in arguments)


def is_described(what: str) -> bool:
    """Say whether an argument gets descriptions of layers."""
    return what.startswith("layers as ")


def layers_of(what: str, n_in: int, hidden: int, n_out: int) -> list[Any]:
    """Return two layers as they are described."""
    kind, _, rest = what.removeprefix("layers as ").partition(": ")
    activation, *keys = rest.split()
    widths = [(n_in, hidden), (hidden, n_out)]
    if kind == KINDS[0]:
        return [(a, b, activation) for a, b in widths]
    if kind == KINDS[1]:
        return [(b, activation) for _, b in widths]
    return [{key: activation if _is_name(key) else a if size_of(key) == "in" else b for key in keys} for a, b in widths]


def _is_name(key: str) -> bool:
    return "activation" in key.lower() or key.lower() in ("act", "act_fn", "function", "func")


def _keys(found: type) -> list[str]:
    """Return the texts by which a class looks up sizes and activations: ``layer["input_dim"]``."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(found)))
    except (OSError, TypeError, SyntaxError, IndentationError):
        return []
    texts = [
        n.slice.value
        for n in ast.walk(tree)
        if isinstance(n, ast.Subscript) and isinstance(n.slice, ast.Constant) and isinstance(n.slice.value, str)
    ]
    wanted = [
        t for t in dict.fromkeys(texts) if t.isidentifier() and (_is_name(t) or size_of(t) or t in ("neurons", "nodes"))
    ]
    return wanted if any(not _is_name(t) for t in wanted) else []
