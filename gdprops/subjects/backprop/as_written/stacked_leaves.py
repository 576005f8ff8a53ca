"""Numbers of several objects in a list as one parameter: the weights of all neurons of a layer, one below the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from gdprops.subjects.backprop.as_written.leaves import Key, Leaf, shown


@final
@dataclass(frozen=True, slots=True)
class Stack:
    """The same numbers of several objects in a list, one below the other: the weights of all neurons of a layer."""

    parts: tuple[Leaf, ...]
    at: int

    @property
    def path(self) -> tuple[Key, ...]:
        """The way to the numbers of the first object."""
        return self.parts[0].path

    @property
    def form(self) -> str:
        """In which form they are held."""
        return "stack"

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of all of them together."""
        return (len(self.parts), *self.parts[0].shape)

    @property
    def name(self) -> str:
        """The numbers as the user writes them, with a star for the objects: ``hidden[*].weights``."""
        path = [("[*]", "") if k == self.at else key for k, key in enumerate(self.path)]
        parts = [how if how == "[*]" else f".{shown(key)}" if how == "." else f"[{key!r}]" for how, key in path]
        return "".join(parts).removeprefix(".")

    def get(self, root: Any) -> Any:
        """Return the numbers of every object."""
        return [part.get(root) for part in self.parts]

    def array(self, root: Any) -> Any:
        """Return the numbers as one array."""
        return np.array([part.array(root) for part in self.parts])

    def written(self, values: Any) -> list[str]:
        """Return the lines that put numbers there, for an object that is called ``net``."""
        pairs = zip(self.parts, np.asarray(values), strict=True)
        return [line for part, value in pairs for line in part.written(value)]

    def put(self, root: Any, values: Any) -> None:
        """Put numbers there."""
        for part, value in zip(self.parts, np.asarray(values), strict=True):
            part.put(root, np.array(value))


def stacked(found: Sequence[Leaf]) -> list[Leaf | Stack]:
    """Return numbers with those of the objects of one list put together, where they are of one shape."""
    groups: dict[tuple[Any, ...], list[Leaf]] = {}
    for leaf in found:
        at = _list_at(leaf.path)
        key = (at, leaf.shape, tuple(("[", "*") if k == at else one for k, one in enumerate(leaf.path)))
        groups.setdefault(key, []).append(leaf)
    return [Stack(tuple(group), key[0]) if key[0] >= 0 else group[0] for key, group in groups.items()]


def _list_at(path: tuple[Key, ...]) -> int:
    """Return where a path goes through the innermost list of objects; -1 where it goes through none."""
    places = [k for k, (how, key) in enumerate(path[:-1]) if how == "[" and isinstance(key, int)]
    return places[-1] if places else -1
