"""Joins tensors for a rule that works entry by entry: it moves the entries of several tensors as one vector.

A rule costs the same for two entries as for twenty. Example: a vector of two and a matrix of two by three, of one dtype
and with equal hyperparameters, become one vector of eight entries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np

if TYPE_CHECKING:
    from gdprops.model.arrays import Array


@final
@dataclass(frozen=True, slots=True)
class Joined:
    """Which tensors are joined, as groups of indices, and all shapes; where none are, each keeps its shape."""

    places: tuple[tuple[int, ...], ...]
    shapes: tuple[tuple[int, ...], ...]

    def together(self, arrays: Sequence[Any]) -> list[Any]:
        """Return one array for each group; None stands alone, and stays None."""
        return [
            arrays[place[0]] if len(place) == 1 else np.concatenate([arrays[i].reshape(-1) for i in place])
            for place in self.places
        ]

    def first(self, each: Sequence[Any]) -> list[Any]:
        """Return what the first tensor of each group has; all others of the group have the same."""
        return [each[place[0]] for place in self.places]

    def apart(self, joined: Sequence[Array]) -> list[Array]:
        """Return one array for each tensor, out of one for each group."""
        found: dict[int, Array] = {}
        for place, whole in zip(self.places, joined, strict=True):
            ends = np.cumsum([int(np.prod(self.shapes[i])) for i in place])
            parts = [whole] if len(place) == 1 else np.split(whole, ends[:-1])
            found |= {i: part.reshape(self.shapes[i]) for i, part in zip(place, parts, strict=True)}
        return [found[i] for i in range(len(self.shapes))]


def joined(
    weights: Sequence[Array], fed: Sequence[Sequence[Array | None]], settings: Sequence[Sequence[Mapping[str, Any]]]
) -> Joined:
    """Join the tensors of one dtype that have equal hyperparameters and a gradient at every step."""
    groups: dict[object, list[int]] = {}
    for i, w in enumerate(weights):
        told = repr([sorted(step[i].items()) for step in settings])
        missing = any(step[i] is None for step in fed)
        groups.setdefault(i if missing else (w.dtype.str, told), []).append(i)
    return Joined(tuple(map(tuple, groups.values())), tuple(w.shape for w in weights))


def separate(weights: Sequence[Array]) -> Joined:
    """Join nothing."""
    return Joined(tuple((i,) for i in range(len(weights))), tuple(w.shape for w in weights))
