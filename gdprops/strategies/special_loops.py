"""Training loops in which something particular happens: clipping that clips, weights that are shared, recomputing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gdprops.model.architecture import NOT_ADDITIVE
from gdprops.model.case import TrainCase
from gdprops.model.network import Batch, Point
from gdprops.numerics.decisions import CLIPPED_NORMS, DOUBLINGS, SPLIT_ROWS
from gdprops.numerics.network_pass import gradient_at
from gdprops.numerics.norm import global_norm
from gdprops.strategies.loop import Loop
from gdprops.strategies.training_loops import loops, other_networks
from gdprops.strategies.values import choices

if TYPE_CHECKING:
    from hypothesis import strategies as st

    from gdprops.model.arrays import Array
    from gdprops.model.domain import Domain

LONG_LOOP = 12
"""A model that is evaluated now and then is so within so many steps."""
RECOMPUTED = ("", "not re-entrant", "re-entrant")


def clipped_loops(domain: Domain) -> st.SearchStrategy[Any]:
    """Return loops whose gradients are so large that clipping acts, with another factor in every step.

    Shrinks as `loops` do; the targets are doubled until the norm is large enough.
    """
    loop = Loop(double=True, frozen=False, regression=True, moderate=True)
    return loops(domain, loop).map(lambda case: _enlarged(case, domain.clip or 1.0))


def _enlarged(case: Any, most: float) -> Any:
    """Return the case with larger targets; a case of the user's own model stays as it is."""
    if not isinstance(case, TrainCase):
        return case
    batches = (
        _larger(Point(case.network, case.tensors, batch), most * CLIPPED_NORMS[t % len(CLIPPED_NORMS)])
        for t, batch in enumerate(case.batches)
    )
    return replace(case, batches=tuple(batches))


def _larger(point: Point, least: float) -> Batch:
    """Return the point's batch, its targets enlarged until the gradient's norm is at least ``least``."""
    batch = point.batch
    for _ in range(DOUBLINGS):
        if global_norm(gradient_at(point.on(batch))) >= least:
            return batch
        batch = Batch(batch.inputs, _further(batch.targets))
    return batch


def _further(targets: Array) -> Array:
    return np.asarray(np.where(targets == 0, 1, 2 * targets), dtype=targets.dtype)


def loops_by_mode(domain: Domain) -> st.SearchStrategy[Any]:
    """Return loops over networks whose loss differs between training and evaluation mode; one in five has 12 steps.

    Shrinks towards a batch norm over one channel, and two steps.
    """
    loop = Loop(double=True, frozen=False, seldom=LONG_LOOP)
    if domain.own is not None:
        return loops(domain, loop)
    kinds = tuple(kind for kind in domain.kinds if kind in NOT_ADDITIVE)
    return other_networks(replace(domain, kinds=kinds), loop)


def recomputed_loops(domain: Domain) -> st.SearchStrategy[Any]:
    """Return loops over three layers and more: with a shared weight, with checkpointed segments, or both.

    Re-entrant segments share no weight: there torch calls every hook on a parameter once for each use, and a step that
    never trains such a model is not to blame for that. Where the step itself checkpoints re-entrantly, a shared weight
    is enough to show it. Shrinks towards a shared weight and nothing recomputed.
    """
    rows = SPLIT_ROWS if domain.means else 1
    loop = Loop(least_depth=3, double=True, frozen=False, least_rows=rows, moderate=True)
    tied, free = loops(domain, replace(loop, tie=True)), loops(domain, replace(loop, extras=False))
    return choices(len(RECOMPUTED)).flatmap(
        lambda k: (free if RECOMPUTED[k] == "re-entrant" else tied).map(lambda case: _recomputed(case, RECOMPUTED[k]))
    )


def _recomputed(case: Any, how: str) -> Any:
    if not isinstance(case, TrainCase):
        return case
    return replace(case, network=replace(case.network, recomputed=how))
