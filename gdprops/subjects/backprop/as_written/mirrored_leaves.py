"""Parameters that an object holds twice: ``self.weights = [w[:-1] for w in self.weights_ext]``, without the biases.

What is a copy, a part or the transpose of a parameter when the object is made goes with it whenever it is put in place:
else the code would train from numbers that belong to another network.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from gdprops.subjects.backprop.as_written.leaves import AnyLeaf, Key, Leaf, leaves_of

PARTS: tuple[Callable[[Any], Any], ...] = (
    lambda w: w,
    lambda w: w[:-1],
    lambda w: w[1:],
    lambda w: w[..., :-1],
    lambda w: w[..., 1:],
    lambda w: w.T,
)
"""What of a parameter may be held once more."""


@final
@dataclass(frozen=True, slots=True)
class Mirrored:
    """A parameter, and where else it is held: what part of it, by its place in `PARTS`."""

    leaf: Leaf
    copies: tuple[tuple[Leaf, int], ...]

    @property
    def path(self) -> tuple[Key, ...]:
        """The way to the parameter itself."""
        return self.leaf.path

    @property
    def form(self) -> str:
        """In which form it is held."""
        return self.leaf.form

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""
        return self.leaf.shape

    @property
    def name(self) -> str:
        """Its name as the user writes it."""
        return self.leaf.name

    def get(self, root: Any) -> Any:
        """Return the value itself."""
        return self.leaf.get(root)

    def array(self, root: Any) -> Any:
        """Return it as an array."""
        return self.leaf.array(root)

    def written(self, values: Any) -> list[str]:
        """Return the lines that put it, and its copies, in place."""
        lines = list(self.leaf.written(values))
        return lines + [line for copy, k in self.copies for line in copy.written(PARTS[k](np.asarray(values)))]

    def put(self, root: Any, values: Any) -> None:
        """Put it in place, and its copies."""
        self.leaf.put(root, values)
        for copy, k in self.copies:
            part = PARTS[k](values)
            copy.put(root, part.copy() if type(part) is np.ndarray else part)


Copies = dict[str, tuple[tuple[Leaf, int], ...]]
"""Where parameters are held once more, by their names."""


def copies_in(found: Sequence[AnyLeaf], net: Any) -> Copies:
    """Return where the parameters of a new object are held once more; asked at sizes that tell parts apart."""
    taken = {leaf.path for leaf in found}
    held = [
        (one, np.asarray(one.array(net))) for one in leaves_of(net) if one.form == "array" and one.path not in taken
    ]
    told = [(one, values) for one, values in held if values.size > 1 and np.ptp(values) > 0]
    every = {leaf.name: _copies(np.asarray(leaf.array(net)), told) for leaf in found if isinstance(leaf, Leaf)}
    return {name: copies for name, copies in every.items() if copies}


def with_copies(found: Sequence[AnyLeaf], copies: Copies) -> list[AnyLeaf]:
    """Return parameters, each with the places where it is held once more."""
    return [
        Mirrored(leaf, copies[leaf.name]) if isinstance(leaf, Leaf) and leaf.name in copies else leaf for leaf in found
    ]


def _copies(w: Any, held: Sequence[tuple[Leaf, Any]]) -> tuple[tuple[Leaf, int], ...]:
    parts = [part(w) for part in PARTS] if w.ndim else []
    same = [[k for k, part in enumerate(parts) if np.array_equal(part, values)] for _, values in held]
    return tuple((one, ks[0]) for (one, _), ks in zip(held, same, strict=True) if ks)
