"""The error at the output done wrong: what stands in the place of the right one, on a network that was recognized.

With a = f(z) the network's output, y the targets as rows, and the loss's own dJ/dz as the right error. Each wrong one
is known from code that was handed in; it is told only where the whole backward pass from it gives what was seen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from gdprops.explanations.backprop.recognized_network import softmax

if TYPE_CHECKING:
    from gdprops.explanations.backprop.recognized_network import Ending
    from gdprops.model.arrays import Array

Error = Callable[["Ending", "Array", "Array"], "Array | None"]
"""dJ/dz as it would be without the loss's scale, None where it makes no sense for a loss."""


def _without_slope(ending: Ending, z: Array, y: Array) -> Array | None:
    if ending.without_slope is None or ending.is_softmax:
        return None
    return ending.without_slope(z, y)


def _with_slope(ending: Ending, z: Array, y: Array) -> Array | None:
    return None if ending.slope is None else ending.delta(z, y) * ending.slope(z)


def _as_of_cross_entropy(ending: Ending, z: Array, y: Array) -> Array | None:
    if ending.without_slope is None or not ending.is_softmax:
        return None
    return ending.without_slope(z, y)


def _diagonal(ending: Ending, z: Array, y: Array) -> Array | None:
    """Return the error through each output's own derivative a (1 - a), as if they did not depend on each other."""
    if _are_classes(ending, y):  # -y/a, the derivative of the cross-entropy by a, times a (1 - a)
        return np.asarray(-y * (1 - softmax(z)))
    if not ending.is_softmax or ending.without_slope is None or ending.slope is None:
        return None
    return np.asarray(ending.without_slope(z, y) * ending.slope(z))


def _without_targets(ending: Ending, z: Array, y: Array) -> Array | None:
    return None if ending.without_slope is None else ending.delta(z, np.zeros_like(y))


def _in_all_columns(ending: Ending, z: Array, y: Array) -> Array | None:
    """Return what ``probs[:, y] -= 1`` leaves: every row loses 1 in the column of every label of the batch."""
    if not _are_classes(ending, y):
        return None
    return np.asarray(softmax(z) - (y.sum(axis=0) > 0))


def _in_rows_of_labels(ending: Ending, z: Array, y: Array) -> Array | None:
    """Return what ``probs[y] -= 1`` leaves: the rows whose numbers are labels lose 1 everywhere."""
    labels = np.argmax(y, axis=1)
    if not _are_classes(ending, y) or labels.max() >= len(y):
        return None
    found = softmax(z)
    found[np.unique(labels)] -= 1
    return found


def _are_classes(ending: Ending, y: Array) -> bool:
    return ending.is_softmax and ending.without_slope is None and bool((y.sum(axis=1) == 1).all())


def _broadcast(reduced: Callable[[Array], Array]) -> Error:
    """Return the errors of all pairs of rows, (n, 1) outputs minus (n,) targets, brought back to a column."""

    def error(ending: Ending, z: Array, y: Array) -> Array | None:
        if z.shape[1] != 1 or ending.is_softmax:
            return None
        return reduced(np.asarray(ending.delta(z, y.T))).reshape(-1, 1)

    return error


PAIRS = "outputs of shape (rows, 1) minus targets of shape (rows,) are the differences of all pairs of rows, {how}"
ERRORS: dict[str, Error] = {
    "the error at the output is a - y, as in cross-entropy: the derivative of softmax is missing": _as_of_cross_entropy,
    "the derivative of softmax is taken as a (1 - a), as if the outputs did not depend on each other": _diagonal,
    "the derivative of the output's activation is missing": _without_slope,
    "the derivative of the output's activation enters once too often": _with_slope,
    "the targets are missing: the output stands where its error should": _without_targets,
    "1 is subtracted in the columns of all labels in every row, as by probs[:, y] -= 1, not in each row's own column": (
        _in_all_columns
    ),
    "1 is subtracted in all columns of the rows whose numbers are labels, as by probs[y] -= 1": _in_rows_of_labels,
    PAIRS.format(how="averaged over the targets"): _broadcast(lambda d: np.asarray(d.mean(axis=1))),
    PAIRS.format(how="summed over the targets"): _broadcast(lambda d: np.asarray(d.sum(axis=1))),
    PAIRS.format(how="averaged over the outputs"): _broadcast(lambda d: np.asarray(d.mean(axis=0))),
    PAIRS.format(how="summed over the outputs"): _broadcast(lambda d: np.asarray(d.sum(axis=0))),
}
"""What is told, and the error."""
