"""What of a forward pass is the output: what it returns, one of several things that it returns, or an attribute."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from gdprops.subjects.backprop.as_written.data_forms import DataForm, as_rows
from gdprops.subjects.backprop.as_written.leaves import Leaf, leaves_of

MOST_PICKS = 4


@final
@dataclass(frozen=True, slots=True)
class Pick:
    """The way from what a forward pass returned to its output, or the attribute that holds it."""

    path: tuple[Any, ...] = ()
    leaf: Leaf | None = None

    def of(self, net: Any, returned: Any) -> Any:
        """Return the output."""
        if self.leaf is not None:
            return self.leaf.array(net)
        for key in self.path:
            returned = returned[key]
        return returned

    @property
    def told(self) -> str:
        """The way in words; empty where the result itself is the output."""
        if self.leaf is not None:
            return f"attribute {self.leaf.name}"
        return f"result{''.join(f'[{key!r}]' for key in self.path)}" if self.path else ""


def picks(net: Any, returned: Any, form: DataForm, rows: int) -> Iterator[Pick]:
    """Yield what may be the output after a forward pass, the most telling first."""
    found = [Pick(path) for path in _paths(returned, form, rows, 0)]
    if not found and net is not None:
        held = [leaf for leaf in leaves_of(net) if _fits(leaf.get(net), form, rows)]
        found = [Pick(leaf=leaf) for leaf in sorted(held, key=lambda leaf: not _is_output(leaf.name))]
    yield from found[:MOST_PICKS]


def _is_output(name: str) -> bool:
    low = name.lower()
    return "out" in low or "pred" in low or "hat" in low


def _paths(value: Any, form: DataForm, rows: int, depth: int) -> Iterator[tuple[Any, ...]]:
    if _fits(value, form, rows):
        yield ()
        return
    if depth > 1:
        return
    if isinstance(value, tuple | list):
        inside: list[tuple[Any, Any]] = [(k - len(value), v) for k, v in enumerate(value)]
        inside = [(k + len(value) if isinstance(value, tuple) else k, v) for k, v in inside]
    elif isinstance(value, dict):
        inside = list(value.items())
    else:
        return
    direct = [(k, v) for k, v in reversed(inside) if _fits(v, form, rows)]
    yield from ((k,) for k, _ in direct)
    for key, held in inside:
        if not _fits(held, form, rows):
            yield from ((key, *more) for more in _paths(held, form, rows, depth + 1))


def _are_numbers(value: Any) -> bool:
    return all(isinstance(v, float | int | np.floating) for v in value)


def _is_in_lists(value: Any, form: DataForm) -> bool:
    """Say whether a list may be the output: one of numbers for one sample, a list for each sample of several."""
    if not form.single:
        return all(isinstance(row, list) and row and _are_numbers(row) for row in value)
    return _are_numbers(value) or (len(value) == 1 and isinstance(value[0], np.ndarray))


def _fits(value: Any, form: DataForm, rows: int) -> bool:
    """Say whether a value may be the output for some rows: numbers, in the form in which samples are given."""
    if isinstance(value, bool) or value is None or isinstance(value, str | dict):
        return False
    if not form.single and np.ndim(value) == 0 if not isinstance(value, list | tuple) else False:
        return False
    try:
        if isinstance(value, list | tuple) and not _is_in_lists(value, form):
            return False
        found = as_rows(form, value, rows)
    except (ValueError, TypeError):
        return False
    return found is not None and found.ndim == 2 and found.size > 0
