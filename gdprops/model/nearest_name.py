"""The nearest names to a misspelled one, for error messages."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'a' or 'b'?"``, or nothing where no known name is near."""
    close = difflib.get_close_matches(name, list(dict.fromkeys(known)), n=3, cutoff=0.5)
    return f"; did you mean {' or '.join(repr(c) for c in close)}?" if close else ""


def layer_of(name: str) -> str:
    """Return the layer named in a parameter's name: ``"2"`` for ``2.weight``, ``W2`` and ``b2``; empty for none."""
    module, dot, _ = name.rpartition(".")
    return module if dot else name[len(name.rstrip("0123456789")) :]


def layers_of(names: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    """Return the parameters' positions grouped by layer; each alone where the names do not tell layers apart."""
    found: dict[str, list[int]] = {}
    for i, name in enumerate(names):
        found.setdefault(layer_of(name), []).append(i)
    return tuple(map(tuple, found.values())) if len(found) > 1 else tuple((i,) for i in range(len(names)))
