"""The numbers that an object holds: arrays, floats and lists of floats in its attributes, however deep.

Each is a `Leaf`: where it hangs, and how it is read and put. A network written as a class keeps its weights in
attributes, in lists and dicts, or in objects of its own (layers, neurons); what of these numbers is a parameter is not
decided here.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, final

import numpy as np

from gdprops.subjects.user_code.helper_modules import is_installed

IS_BIAS = re.compile(r"_*(b\d?|bias\w*|intercept\w*|w0|w_?0_?|theta_?0)_*")
LISTS = ("list", "float", "stack")
"""The forms of numbers that are no arrays."""
DEEPEST = 7
MOST_LEAVES = 200
Key = tuple[str, Any]
"""How one value hangs on another: as an attribute (".", name) or as an item ("[", key)."""


@final
@dataclass(frozen=True, slots=True)
class Leaf:
    """Where numbers hang on an object: the keys that lead to them, and their shape."""

    path: tuple[Key, ...]
    shape: tuple[int, ...]
    form: str

    @property
    def name(self) -> str:
        """The numbers as the user writes them, without ``self``: ``W1``, ``layers[0].weights``, ``params['W1']``."""
        parts = [f".{shown(key)}" if how == "." else f"[{key!r}]" for how, key in self.path]
        return "".join(parts).removeprefix(".")

    def get(self, root: Any) -> Any:
        """Return the value itself."""
        for key in self.path:
            root = _get(root, key)
        return root

    def array(self, root: Any) -> Any:
        """Return the numbers as an array; a subclass of NumPy's arrays as it is."""
        found = self.get(root)
        return found if isinstance(found, np.ndarray) else np.asarray(found, dtype=np.float64)

    def written(self, values: Any) -> list[str]:
        """Return the lines that put numbers there, for an object that is called ``net``."""
        held = np.asarray(values)
        plain = repr(float(held.reshape(()))) if self.form == "float" else str(held.tolist())
        return [f"net.{self.name} = {plain if self.form in ('float', 'list') else f'np.array({plain})'}"]

    def put(self, root: Any, values: Any) -> None:
        """Put numbers there: into the array that is there, or in its place, in the form in which they were held."""
        held = self.get(root)
        plain = type(values) is np.ndarray
        if isinstance(held, np.ndarray) and plain and held.dtype == np.float64 and held.flags.writeable:
            held[...] = values
            return
        if self.form == "float":
            values = float(np.asarray(values).reshape(())) if plain else values
        elif self.form == "list":
            values = np.asarray(values).tolist()
        elif self.form == "vectors":
            values = [np.array(v) for v in np.asarray(values)]
        _set(root, self.path, values)


@final
@dataclass(frozen=True, slots=True)
class Holders:
    """Which lists hold parameters and are none themselves, as objects of usual sizes show it.

    Where all sizes are alike a list of two matrices is a matrix of more dimensions: ``[[[1.0]], [[2.0]]]``.
    ``exact``: the ways to these lists; ``alike``: those ways on which any place of a list is such a list.
    """

    exact: frozenset[tuple[Key, ...]] = frozenset()
    alike: frozenset[tuple[Key, ...]] = frozenset()

    def has(self, path: tuple[Key, ...]) -> bool:
        """Say whether what is at the end of a way holds parameters, and is none."""
        return path in self.exact or _any_place(path) in self.alike


NOT_KNOWN = Holders()


def holders_of(found: Sequence[Leaf]) -> Holders:
    """Return which lists hold the numbers that were found in an object of usual sizes."""
    exact = frozenset(leaf.path[:k] for leaf in found for k in range(len(leaf.path)))
    return Holders(exact, frozenset(map(_any_place, exact)) - {_any_place(leaf.path) for leaf in found})


def _any_place(path: tuple[Key, ...]) -> tuple[Key, ...]:
    return tuple(("[", "*") if how == "[" and isinstance(key, int) else (how, key) for how, key in path)


def leaves_of(root: Any, holders: Holders = NOT_KNOWN) -> list[Leaf]:
    """Return all numbers that an object holds, each array once, in the order of its attributes."""
    found, seen = list[Leaf](), set[int]()
    for leaf in _walk(root, (), seen, 0, holders):
        found.append(leaf)
        if len(found) >= MOST_LEAVES:
            break
    return found


def _walk(value: Any, path: tuple[Key, ...], seen: set[int], depth: int, holders: Holders) -> Iterator[Leaf]:
    form = None if holders.has(path) else _form(value, path)
    if form is not None:
        if form != "float":
            if id(value) in seen:
                return
            seen.add(id(value))
        yield Leaf(path, np.shape(value), form)
        return
    if depth >= DEEPEST or id(value) in seen:
        return
    for key, inside in _inside(value):
        seen.add(id(value))
        yield from _walk(inside, (*path, key), seen, depth + 1, holders)


def _form(value: Any, path: tuple[Key, ...] = ()) -> str | None:
    """Return in which form numbers are held; None for what is no numbers.

    Whole numbers are sizes and counters, unless they are called a bias, which often begins as 0.
    """
    if type(value) is int and path and IS_BIAS.fullmatch(str(path[-1][1])):
        return "float"
    if isinstance(value, np.ndarray):
        return "array" if value.dtype.kind == "f" and value.size else None
    if isinstance(value, float | np.floating):
        return "float"
    if isinstance(value, list) and value and _is_numbers(value):
        return "list" if _is_of_one_shape(value) else None
    return None


def _is_numbers(value: Any) -> bool:
    """Say whether a list is an array: floats (at least one), or lists of floats of one shape."""
    flat = list(value)
    if all(isinstance(v, list) and v for v in flat):
        return len({len(v) for v in flat}) == len({_depth(v) for v in flat}) == 1 and all(map(_is_numbers, flat))
    return any(isinstance(v, float | np.floating) for v in flat) and all(
        isinstance(v, float | int | np.floating) and not isinstance(v, bool) for v in flat
    )


def _is_of_one_shape(value: Any) -> bool:
    try:
        np.shape(value)
    except ValueError:
        return False
    return True


def _depth(value: Any) -> int:
    return 1 + _depth(value[0]) if isinstance(value, list) and value else 0


def _inside(value: Any) -> Iterator[tuple[Key, Any]]:
    if isinstance(value, dict):
        for key, inside in value.items():
            yield ("[", key), inside
    elif isinstance(value, list | tuple):
        for k, inside in enumerate(value):
            yield ("[", k), inside
    elif is_own(value):
        for name, inside in list(vars(value).items()):
            yield (".", name), inside


def is_own(value: Any) -> bool:
    """Say whether a value is an object of a class of the user's, with attributes."""
    kind = type(value)
    if isinstance(value, type) or not isinstance(getattr(value, "__dict__", None), dict):
        return False
    module = sys.modules.get(kind.__module__)
    return not is_installed(_written_in(kind) if module is None else getattr(module, "__file__", None))


def _written_in(kind: type) -> str | None:
    """Return the file in which a class is written whose module was taken away again."""
    codes = (getattr(value, "__code__", None) for value in vars(kind).values())
    return next((code.co_filename for code in codes if code is not None), None)


def _get(root: Any, key: Key) -> Any:
    return getattr(root, key[1]) if key[0] == "." else root[key[1]]


def _set(root: Any, path: tuple[Key, ...], value: Any) -> None:
    for key in path[:-1]:
        root = _get(root, key)
    how, last = path[-1]
    if how == ".":
        setattr(root, last, value)
    else:
        root[last] = value


def shown(name: str) -> str:
    """Return an attribute's name without what Python puts before a private one: ``_Net__W1`` is ``__W1``."""
    if name.startswith("_") and "__" in name[1:]:
        return name[name.index("__", 1) :]
    return name


class AnyLeaf(Protocol):
    """A parameter of an object: numbers of one object, of several in a list, or held in more than one place."""

    @property
    def path(self) -> tuple[Key, ...]:
        """The way to it."""

    @property
    def form(self) -> str:
        """In which form it is held."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""

    @property
    def name(self) -> str:
        """Its name as the user writes it."""

    def array(self, root: Any) -> Any:
        """Return it as an array."""

    def put(self, root: Any, values: Any) -> None:
        """Put numbers in its place."""

    def written(self, values: Any) -> list[str]:
        """Return the lines that put it in place."""
