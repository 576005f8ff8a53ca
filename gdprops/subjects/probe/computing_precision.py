"""Trait ``computes``: the precision of a step's arithmetic where the parameters are float64.

Some optimizers keep their state in float32, or cast gradients to it, whatever the parameters are. That is coarse, and
not wrong: such a subject is examined in float32, where its own arithmetic is no coarser than the parameters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gdprops.errors import SubjectCrash, Unsupported
from gdprops.numerics.decisions import DOUBLE_ALONE_SEES, FAINTEST_ANSWER, LOST_SHARE, SINGLE_SEES

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.subjects.probe.experiment import Probe


def computing_precision(probe: Probe) -> None:
    """Change the first gradient by less than float32 can hold, and look for it in the first two displacements.

    A displacement that answers to a larger change of that gradient, and hardly at all to the small one, has lost it on
    the way. Displacements are compared by their median entry, because a rounded number may still fall on the other
    side.
    """
    try:
        plain, larger, small = (_displacements(probe, change) for change in (0.0, SINGLE_SEES, DOUBLE_ALONE_SEES))
    except (SubjectCrash, Unsupported):
        return
    wanted = [_median_change(a, b) * (DOUBLE_ALONE_SEES / SINGLE_SEES) for a, b in zip(larger, plain, strict=True)]
    seen = [_median_change(a, b) for a, b in zip(small, plain, strict=True)]
    lost = any(map(is_lost, wanted, seen))
    evidence = f"a change of the first gradient by {DOUBLE_ALONE_SEES:.1e} of itself"
    told = f"{evidence} changes {'nothing' if lost else 'the first two displacements as it should'}"
    probe.note("computes", "float32" if lost else "float64", told)


def is_lost(wanted: float, seen: float) -> bool:
    """Say whether a displacement that should answer to the small change by ``wanted`` has lost it on the way."""
    return wanted > FAINTEST_ANSWER and seen < LOST_SHARE * wanted


def _displacements(probe: Probe, change: float) -> list[Array]:
    """Return the displacements of the first two steps, all tensors in one array, the first gradients changed a bit."""
    start, (first, second) = probe.tensors(), probe.steps(2)
    seen = [start, *probe.run(probe.plan(), start, [[g * (1 + change) for g in first], second])]
    flat = [np.concatenate([w.ravel() for w in weights]) for weights in seen]
    return [flat[1] - flat[0], flat[2] - flat[1]]


def _median_change(a: Array, b: Array) -> float:
    return float(np.median(np.abs(a - b)))
