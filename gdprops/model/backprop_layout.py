"""The layout of hand-written backprop, which the strategies draw from: parameter shapes, and the form of X and y."""

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
"""The targets that name classes: with them a network has at least two outputs."""
FLAT = ("vector", "labels", "binary-vector")
"""The targets of shape (rows,)."""


@final
@dataclass(frozen=True, slots=True)
class Layout:
    """The shapes of the parameters by name, and the form in which the user's functions take X and y.

    ``shapes(n_in, n_hidden, n_out)`` returns the shape of every parameter. ``inputs`` and ``outputs`` are the numbers
    of features and outputs where the shapes fix them, else None. ``rate`` is the user's own learning rate, None where
    any learning rate may be drawn.

    ``targets``: "numbers" have shape (rows, n_out), a "vector" has shape (rows,); "binary" and "binary-vector" are
    zeros and ones of these two shapes; "one-hot" has one row of n_out entries for every sample; "labels" are integers
    of shape (rows,). ``samples``: X holds one sample in every row ("rows") or in every column ("columns"), X in
    every row and y in every column ("mixed"), or it is one
    sample of shape (n_in,) ("single") or (n_in, 1) ("single-column").

    ``has_all_classes``: whether labels always contain every class, for code that counts the classes in them.
    """

    shapes: Callable[[int, int, int], Mapping[str, Shape]]
    inputs: int | None = None
    outputs: int | None = None
    rate: float | None = None
    targets: str = "numbers"
    samples: str = "rows"
    has_all_classes: bool = False

    def data(self, batch: Batch) -> tuple[Any, Any]:
        """Return copies of a batch as X and y in the form that the user's functions take.

        A batch always holds one sample in every row.
        """
        x, y = batch.inputs, batch.targets
        if self.samples == "rows":
            return x.copy(), y.copy()
        if self.samples == "mixed":
            return x.copy(), y.T.copy()
        return (x[0].copy(), y[0].copy()) if self.samples == "single" else (x.T.copy(), y.T.copy())

    @property
    def has_one_sample(self) -> bool:
        """Whether every batch consists of one sample."""
        return self.samples.startswith("single")
