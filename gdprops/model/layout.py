"""What generation must know of a hand-written network: the shapes of its parameters and the form of its data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import final

Shape = tuple[int, ...]
TARGETS = ("numbers", "one-hot", "labels")


@final
@dataclass(frozen=True, slots=True)
class Layout:
    """Shapes by name for drawn sizes (n_in, n_hidden, n_out).

    ``inputs`` and ``outputs``: the numbers of features and outputs where the shapes fix them; ``rate``: the user's own
    learning rate, None where any will do; ``targets``: numbers of shape (rows, n_out), one-hot rows of that shape, or
    integer labels of shape (rows,).
    """

    shapes: Callable[[int, int, int], Mapping[str, Shape]]
    inputs: int | None = None
    outputs: int | None = None
    rate: float | None = None
    targets: str = "numbers"
