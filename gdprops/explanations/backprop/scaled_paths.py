"""One of several paths of the error that comes back with a wrong factor, on any network.

A gradient is the sum over the paths through one operation and past it: g = past + through. With the operation held
fixed there is only ``past``, so that the factor k of g = past + k through is fitted to what was seen. Example: a leaky
rectifier ``where(z > 0, z, 0.1 * z)`` whose derivative has 0.01 for 0.1: k = 0.1 for the product ``0.1 * z``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gdprops.explanations.backprop.operand_flaws import lines
from gdprops.numerics import decisions

if TYPE_CHECKING:
    from gdprops.clauses.support.watched_step import Watched
    from gdprops.explanations.backprop.operand_flaws import Mistake
    from gdprops.explanations.backprop.traced_flaws import TracedFlaws
    from gdprops.model.arrays import Array
    from gdprops.subjects.backprop.traced_loss import Operation


class ScaledPath(NamedTuple):
    """A sentence about the factor of one path, and the gradient that it gives a parameter."""

    text: str
    gradient: Callable[[Watched, int], Array | None]


def scaled_paths(
    wrong: Sequence[Watched], i: int, traced: TracedFlaws, rate: Callable[[Watched], float]
) -> Iterator[ScaledPath]:
    """Yield for every operation the factor with which its path explains how parameter i has moved, if there is one."""
    for operation, held in traced.held_fixed(wrong[-1]):
        k = _fitted(wrong, i, traced, held, rate)
        if k is not None:
            yield ScaledPath(_said(operation, k), _scaled(traced, held, k))


def _scaled(traced: TracedFlaws, held: Mistake, k: float) -> Callable[[Watched, int], Array | None]:
    def gradient(step: Watched, i: int) -> Array | None:
        past = traced.gradient(step, i, held)
        return None if past is None else past + k * (np.asarray(step.gradients[i]) - past)

    return gradient


def _fitted(
    wrong: Sequence[Watched], i: int, traced: TracedFlaws, held: Mistake, rate: Callable[[Watched], float]
) -> float | None:
    """Return the factor; None where too little was seen, or where all of the gradient comes through the operation.

    Entries count by how well they are known: at a kink the differences of a loss are those of neither side.
    """
    known: list[Array] = []
    left: list[Array] = []
    paths: list[Array] = []
    others = 0.0
    for step in wrong:
        past = traced.gradient(step, i, held)
        if past is None or past.shape != step.before[i].shape:
            return None
        allowed = np.asarray(step.allowed[i], dtype=float)
        known.append(np.broadcast_to(1 / np.maximum(allowed, np.finfo(float).tiny ** 0.25), past.shape).ravel())
        others = max(others, float(np.abs(past).max(initial=0.0)))
        left.append(((step.before[i] - step.after[i]) / rate(step) - past).ravel())
        paths.append((np.asarray(step.gradients[i]) - past).ravel())
    seen, through = np.concatenate(left), np.concatenate(paths)
    largest = float(np.abs(through).max(initial=0.0))
    if min(largest, others) <= decisions.GUARDED_SHARE * max(largest, others):
        return None
    if np.count_nonzero(np.abs(through) > decisions.GUARDED_SHARE * largest) < decisions.FEWEST_FITTED:
        return None
    weight = np.concatenate(known) ** 2
    return float((weight * seen * through).sum() / (weight * through * through).sum())


def _said(one: Operation, k: float) -> str:
    where = lines([one.place])
    constants = [x for x, origin in zip(one.inputs, one.origins, strict=True) if origin is None and np.ndim(x) == 0]
    if one.place.name == "multiply" and len(constants) == 1:
        c = float(constants[0])
        return f"{k * c:.6g} stands where the derivative of {where} has the factor {c:.6g}"
    return f"the error that goes back through the {one.place.name} ({where}) is {k:.6g} times as large as it should be"
