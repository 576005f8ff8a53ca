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

    parts: tuple[Leaf | Stack, ...]
    at: int

    @property
    def path(self) -> tuple[Key, ...]:
        """The way to the numbers of the first object."""
        return self.parts[0].path

    @property
    def places(self) -> tuple[int, ...]:
        """Where the way goes through a list of such objects, the outermost first."""
        return self.at, *places_of(self.parts[0])

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
        path = [("[*]", "") if k in self.places else key for k, key in enumerate(self.path)]
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


def places_of(found: Leaf | Stack) -> tuple[int, ...]:
    """Return where the way to some numbers goes through a list of objects that are put together."""
    return found.places if isinstance(found, Stack) else ()


MOST_STACKS = 2
"""Neurons in a layer, and the connections of a neuron."""


def stacked(found: Sequence[Leaf], times: int = 1) -> list[Leaf | Stack]:
    """Return numbers with those of the objects of one list put together, where they are of one shape.

    ``times``: 2 also puts those together of whose objects each holds a list of its own: the connections of neurons,
    beside the neurons' biases.
    """
    once = _stacked(found)
    if times == 1 or not found:
        return once
    fewest = min(len(_lists_in(leaf.path)) for leaf in found)
    further = [leaf for leaf in once if len(_lists_in(leaf.path)) > fewest]
    first = {one.path: one for one in _stacked(further)}
    return [first.get(leaf.path, leaf) for leaf in once if leaf not in further or leaf.path in first]


def _stacked(found: Sequence[Leaf | Stack]) -> list[Leaf | Stack]:
    groups: dict[tuple[Any, ...], list[Leaf | Stack]] = {}
    for leaf in found:
        done = places_of(leaf)
        lists = [k for k in _lists_in(leaf.path) if not done or k < done[0]]
        at = lists[-1] if lists else -1
        path = tuple(("[", "*") if k == at or k in done else one for k, one in enumerate(leaf.path))
        groups.setdefault((at, leaf.shape, path), []).append(leaf)
    return [Stack(tuple(group), key[0]) if key[0] >= 0 else group[0] for key, group in groups.items()]


def _lists_in(path: tuple[Key, ...]) -> list[int]:
    """Return where a path goes through lists of objects."""
    return [k for k, (how, key) in enumerate(path[:-1]) if how == "[" and isinstance(key, int)]
