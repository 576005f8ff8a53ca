"""What generation must know of a hand-written network: the shapes of its parameters and the form of its data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

if TYPE_CHECKING:
    from gdprops.model.network import Batch

Shape = tuple[int, ...]
TARGETS = ("numbers", "vector", "one-hot", "labels", "binary", "binary-vector")
SAMPLES = ("rows", "columns", "mixed", "single", "single-column")
CLASSES = ("one-hot", "labels")
"""Targets of which there are at least two."""
FLAT = ("vector", "labels", "binary-vector")
"""Targets of shape (rows,)."""


@final
@dataclass(frozen=True, slots=True)
class Layout:
    """Shapes by name for drawn sizes (n_in, n_hidden, n_out).

    ``inputs`` and ``outputs``: the numbers of features and outputs where the shapes fix them; ``rate``: the user's own
    learning rate, None where any will do; ``targets``: numbers of shape (rows, n_out) or, as a vector, (rows,); zeros
    and ones of either shape; one-hot rows; integer labels (rows,). ``samples``: X has a sample in every row or every
    column, or X in every row and y in every column, or there is a single one, of shape (n_in,) or (n_in, 1).
    """

    shapes: Callable[[int, int, int], Mapping[str, Shape]]
    inputs: int | None = None
    outputs: int | None = None
    rate: float | None = None
    targets: str = "numbers"
    samples: str = "rows"

    def data(self, batch: Batch) -> tuple[Any, Any]:
        """Return fresh X and y in the form that the user's functions take; a batch holds a sample in every row."""
        x, y = batch.inputs, batch.targets
        if self.samples == "rows":
            return x.copy(), y.copy()
        if self.samples == "mixed":
            return x.copy(), y.T.copy()
        return (x[0].copy(), y[0].copy()) if self.samples == "single" else (x.T.copy(), y.T.copy())

    @property
    def has_one_sample(self) -> bool:
        """Whether every batch is one sample."""
        return self.samples.startswith("single")
