"""Replay the schedule of a wrong training step: which rows each forward pass saw, and which parameters moved after it.

The log of the watched step suggests the schedule. The replay computes that schedule with reference gradients and must
end at the weights that the user's step left; otherwise the hypothesis is dropped. The only fitted constant of a replay
is a divisor of the losses that a loop may have hard-coded.

Example: three forward passes saw rows 0-3, 4-7 and 8-11, and all parameters moved after each of them. If the replay
ends at the observed weights, the sentence is "one update per micro-batch, each at the weights that the last one left".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum, auto
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gdprops.explanations.training_step.clipping_variants import clipped
from gdprops.explanations.training_step.explanation_wording import rows_text
from gdprops.explanations.training_step.hypothesis import Hypothesis, Moment, Weights
from gdprops.explanations.training_step.sweeps import Order, block_names, listed, overlaps

if TYPE_CHECKING:
    from gdprops.clauses.support.watched_step import Grads, Watched
    from gdprops.explanations.training_step.hypothesis import Failure
    from gdprops.explanations.training_step.observation import Observation, Pass
    from gdprops.model.arrays import Array

MOST_PASSES = 400
"""A step with more forward passes than this is not replayed."""
PATIENCE = 16
"""A step with more forward passes is replayed without hard-coded divisors: each replay costs a gradient per pass."""
LARGEST_DIVISOR = 32
MOST_LOST = 4
"""Before which micro-batch, counted from 0, gradients that were added up may be cleared at most."""

Weigh = Callable[[int, int, int], float]
"""Takes the rows of a pass, the rows of the batch and the number of passes; returns the factor of the pass's loss."""


class Weighing(NamedTuple):
    """A way to weigh the losses of micro-batches."""

    text: str
    weigh: Weigh
    constants: int = 0


AS_IS = Weighing("as they are", lambda rows, batch, passes: 1.0)
BY_COUNT = Weighing("each divided by their number", lambda rows, batch, passes: 1 / passes)
BY_SHARE = Weighing("each weighted by its share of the rows", lambda rows, batch, passes: rows / batch)
WIRED = tuple(
    Weighing(f"each divided by {k}", lambda rows, batch, passes, k=k: 1 / k, 1)  # type: ignore[misc] # bound now
    for k in range(2, LARGEST_DIVISOR + 1)
)


class Clearing(Enum):
    """When the accumulated gradients are cleared: at every update, never, or before every forward pass.

    ``AFTER_AN_EARLY_MOVE``: at the update, which comes before the last micro-batch, so that the step starts with the
    gradients that the step before left.
    """

    ON_MOVES = auto()
    NEVER = auto()
    BEFORE_LOOKS = auto()
    AFTER_AN_EARLY_MOVE = auto()


class Clips(NamedTuple):
    """Where gradients are clipped to the declared norm.

    ``own``: the gradient of every pass by itself; ``running``: the sum again after every pass; neither of them: once,
    right before the update. ``text`` is what the explanation says of it, and ``clause`` the clause that it violates.
    """

    text: str
    own: bool
    running: bool
    clause: str | None


LATE = Clips("", own=False, running=False, clause=None)
EARLY = (
    Clips("; each one's gradient is clipped by itself", own=True, running=False, clause="step.clipping"),
    Clips("; the sum is clipped again after each of them", own=False, running=True, clause="step.clipping"),
)

UNUSUAL = {
    Clearing.NEVER: ", and never cleared in between",
    Clearing.BEFORE_LOOKS: ", but only the last one's counts: the others are cleared before the update",
}


def scheduled(failures: Sequence[Failure]) -> list[Hypothesis]:
    """Return the replays of the schedules seen in the failing examples; none if no forward pass was seen."""
    first = failures[0].first
    if first.seen is None or not first.seen.learning:
        return []
    wrong = [moment for failure in failures for moment in failure.wrong if moment.seen is not None]
    told = _told(wrong)
    weighings = (AS_IS, *WIRED) if told.passes == 1 else (AS_IS, BY_COUNT, BY_SHARE, *WIRED)
    alike = told.whole or all(_are_equal_shares(step, seen) for step, seen in wrong)
    weighings = tuple(w for w in weighings if w is not BY_SHARE or not alike)
    if told.passes > PATIENCE:
        weighings = tuple(w for w in weighings if not w.constants)
    clips = (LATE, *EARLY) if failures[0].first.step.run.clip_norm is not None else (LATE,)
    replays = [_replay(told, w, clearing, c) for w in weighings for clearing in _clearings(told) for c in clips]
    return [*replays, *_cleared_on_the_way(told, weighings)]


def _are_equal_shares(step: Watched, seen: Observation | None) -> bool:
    """Say whether the passes saw equal parts of the batch: to weigh them by their share is then to count them."""
    sizes = [len(one.rows or ()) for one in seen.learning] if seen is not None else []
    return len(set(sizes)) == 1 and sum(sizes) == step.run.rows(step.batch)


def _cleared_on_the_way(told: Told, weighings: Sequence[Weighing]) -> list[Hypothesis]:
    """Return the replays in which gradients are cleared before a micro-batch that is neither the first nor the last."""
    if told.early or told.moves > 1 or told.whole:
        return []
    return [
        _replay(told, w, Clearing.ON_MOVES, LATE, lost)
        for w in weighings
        if not w.constants
        for lost in range(1, min(told.passes - 1, MOST_LOST + 1))
    ]


def _clearings(told: Told) -> tuple[Clearing, ...]:
    """Return when gradients may have been cleared, the usual moment first.

    A sweep usually clears them before every forward pass, and a loop over micro-batches at every update. Where the
    only update comes before the last micro-batch, the gradients of the later micro-batches count in the next update.
    """
    if told.early:
        return (Clearing.AFTER_AN_EARLY_MOVE,)
    if told.moves > 1:
        return (Clearing.BEFORE_LOOKS if told.whole else Clearing.ON_MOVES, Clearing.NEVER)
    return (Clearing.ON_MOVES, Clearing.BEFORE_LOOKS) if told.passes > 1 else (Clearing.ON_MOVES,)


class Told(NamedTuple):
    """A schedule in words.

    Attributes:
        text: Makes the sentence from the words that describe how the losses are weighed.
        clause: The id of the clause that the schedule violates.
        passes: The number of forward passes.
        moves: The number of updates.
        whole: Whether all passes see the whole batch.
        broad: As in ``Hypothesis``: a narrower hypothesis is preferred.
        early: Whether there is one update, which comes before the last micro-batch.
    """

    text: Callable[[str], str]
    clause: str
    passes: int
    moves: int
    whole: bool
    broad: int
    early: bool = False


def _replay(told: Told, weighing: Weighing, clearing: Clearing, clips: Clips, lost: int = 0) -> Hypothesis:
    def rival(moment: Moment) -> Weights | None:
        step, seen = moment
        return None if seen is None else replayed(step, seen, weighing.weigh, clearing, clips, lost)

    usual = clearing is _clearings(told)[0] and not lost
    unusual = f", but they are cleared before micro-batch {lost + 1}" if lost else UNUSUAL.get(clearing, "")
    text = told.text(weighing.text + ("" if usual else unusual) + clips.text)
    return Hypothesis(text, rival, weighing.constants, clips.clause or told.clause, told.broad + (not usual))


def replayed(
    step: Watched, seen: Observation, weigh: Weigh, clearing: Clearing, clips: Clips = LATE, lost: int = 0
) -> Weights | None:
    """Return the weights at which a replay of the observed schedule ends; None if it cannot be replayed.

    Gradients add up until they are cleared; ``lost``: those of so many passes are cleared before the next one. A single
    pass over the whole batch is no schedule to replay.
    """
    passes, moves = seen.learning, seen.moved_after()
    if len(passes) > MOST_PASSES or (len(passes) == 1 and len(passes[0].rows or ()) == step.run.rows(step.batch)):
        return None
    if _moved_before(step, passes[0]):
        return None
    v, state = list(step.before), step.state
    waiting = list(seen.left) if clearing is Clearing.AFTER_AN_EARLY_MOVE else [None] * len(v)
    for k, (one, masks) in enumerate(zip(passes, moves, strict=True)):
        g = _gradient(step, one, v, clipped=clips.own)
        if g is None:
            return None
        c = weigh(len(one.rows or ()), step.run.rows(step.batch), len(passes))
        if clearing is Clearing.BEFORE_LOOKS or 0 < lost == k:
            waiting = [None] * len(v)
        waiting = [_sum(a, None if b is None else c * b) for a, b in zip(waiting, g, strict=True)]
        waiting = list(clipped(waiting, step.run.clip_norm)) if clips.running else waiting
        moving = [bool(m.any()) for m in masks]
        if any(moving):
            chosen = [w if moves else None for w, moves in zip(waiting, moving, strict=True)]
            most = step.run.clip_norm if clips is LATE else None
            moved, state = step.run.update(v, clipped(chosen, most), state, step.settings), None
            v = [_where(m, new, old, partly=len(passes)) for m, new, old in zip(masks, moved, v, strict=True)]
            waiting = waiting if clearing is Clearing.NEVER else [None] * len(v)
    return v


def _moved_before(step: Watched, first: Pass) -> bool:
    """Say whether parameters moved before the first forward pass."""
    return any((a != b).any() for a, b in zip(step.before, first.weights, strict=True))


def _gradient(step: Watched, one: Pass, v: Sequence[Array], *, clipped: bool) -> Grads | None:
    """Return the gradient of the rows that a pass saw, None if it cannot be computed.

    Rows that form a slice are computed at once. The gradients of other rows are computed row by row and combined as
    the loss combines rows: by their mean or by their sum.
    """
    rows, all_rows = one.rows, step.run.rows(step.batch)
    if not rows:
        return None
    chosen = slice_of(rows)
    if chosen is not None:
        return step.run.gradients(v, step.batch, rows=chosen, clipped=clipped)
    each = [step.run.gradients(v, step.batch, rows=slice(r, r + 1), clipped=False) for r in rows]
    together = step.run.gradients(v, step.batch, rows=slice(0, all_rows), clipped=False)
    mean = is_mean(step, together, v)
    if mean is None:
        return None
    total = each[0]
    for g in each[1:]:
        total = [_sum(a, b) for a, b in zip(total, g, strict=True)]
    return [None if g is None else g / (len(rows) if mean else 1) for g in total]


def slice_of(rows: Sequence[int]) -> slice | None:
    """Return the slice that selects exactly these rows in this order, None if no slice does."""
    apart = rows[1] - rows[0] if len(rows) > 1 else 1
    if apart < 1 or any(b - a != apart for a, b in pairwise(rows)):
        return None
    return slice(rows[0], rows[-1] + 1, apart)


def is_mean(step: Watched, together: Grads, v: Sequence[Array]) -> bool | None:
    """Say whether the loss of a batch is the mean of its rows' losses (False: their sum; None: neither)."""
    rows = step.run.rows(step.batch)
    total: Any = None
    for r in range(rows):
        g = step.run.gradients(v, step.batch, rows=slice(r, r + 1), clipped=False)
        total = g if total is None else [_sum(a, b) for a, b in zip(total, g, strict=True)]
    flat = [np.concatenate([x.ravel() for x in gs if x is not None] or [np.zeros(1)]) for gs in (together, total)]
    for mean, factor in ((True, 1 / rows), (False, 1.0)):
        if np.allclose(flat[0], factor * flat[1], rtol=1e-9, atol=1e-9 * float(np.abs(flat[0]).max(initial=0.0))):
            return mean
    return None


def _where(mask: Array, new: Array, old: Array, *, partly: int) -> Array:
    """Return a parameter after an update; in a step of several passes, only the entries in ``mask`` are moved."""
    return np.asarray(np.where(mask, new, old)) if partly > 1 else new


def _sum(a: Array | None, b: Array | None) -> Array | None:
    return b if a is None else a if b is None else np.asarray(a + b)


def _told(wrong: Sequence[Moment]) -> Told:
    """Describe in words the schedule of the first wrong step; for a sweep, what all wrong steps have in common."""
    step, seen = wrong[0]
    passes, order = (seen.learning, _order(seen)) if seen is not None else ((), [])
    rows, parts = step.run.rows(step.batch), rows_text([one.rows for one in passes])
    whole, few = all(len(one.rows or ()) == rows for one in passes), len(order) <= 1
    if len(passes) == 1:
        text, clause = _other_rows(passes[0].rows or (), rows), "step.simultaneous"
    elif len(order) == 1 and not whole and _moves_after(seen) < len(passes):
        early = f"the update is made after micro-batch {_moves_after(seen)} of {len(passes)} ({parts})"
        text = _with(f"{early}, with what those after it left the last time, the losses")
        return Told(text, "step.accumulation", len(passes), 1, whole, 0, early=True)
    elif few:
        which = "passes over the whole batch" if whole else f"micro-batches ({parts})"
        text = _with(f"{_unseen_rows(passes, rows)}the gradients of {len(passes)} {which} are added up, their losses")
        clause = "step.simultaneous" if whole else "step.accumulation"
    elif not whole:
        each = "one update per micro-batch, each at the weights that the last one left"
        text, clause = _with(f"{each}: {parts}, their losses"), "step.accumulation"
    elif overlaps(order) and all(set(block) == set(order[0]) for block in order):
        again = f"{len(order)} updates are made on the same batch, each with a gradient of its own, their losses"
        text, clause = _with(again), "step.once"
    else:
        return _sweep(wrong, len(passes), len(order))
    return Told(text, clause, len(passes), len(order), whole, 0)


def _unseen_rows(passes: Sequence[Pass], rows: int) -> str:
    """Return which rows no pass has seen, where those of all passes are known."""
    if any(one.rows is None for one in passes):
        return ""
    left = sorted(set(range(rows)) - {row for one in passes for row in one.rows or ()})
    return f"rows that nobody looks at: {rows_text([left])} of {rows}; beside them, " if left else ""


def _moves_after(seen: Observation | None) -> int:
    """Return the number of the forward pass, from 1, after which weights first move."""
    masks = [] if seen is None else seen.moved_after()
    return next((k for k, moved in enumerate(masks, start=1) if any(m.any() for m in moved)), len(masks))


def _sweep(wrong: Sequence[Moment], passes: int, moves: int) -> Told:
    name, broad = _swept(wrong)

    def text(how: str) -> str:
        return name if how == AS_IS.text else f"{name}; the losses {how}"

    return Told(text, "step.simultaneous", passes, moves, True, broad)


def _with(start: str) -> Callable[[str], str]:
    return lambda how: f"{start} {how}"


def _other_rows(seen: Sequence[int], rows: int) -> Callable[[str], str]:
    told = f"{rows_text([seen])} of {rows}"
    if set(seen) >= set(range(rows)):
        start = f"rows are looked at more than once: {told}"
    else:
        start = f"only some rows of the batch are looked at: {told}"
    return lambda how: start if how == AS_IS.text else f"{start}, the loss {how}"


def _swept(wrong: Sequence[Moment]) -> tuple[str, int]:
    """Return the name of a sweep and how broad it is.

    The name is one that fits all wrong steps (0: narrow), else the order of the blocks in the first wrong step (1).
    """
    seen = [(step, _order(seen)) for step, seen in wrong if seen is not None]
    common = block_names(*seen[0])
    for step, order in seen[1:]:
        common = [name for name in common if name in block_names(step, order)]
    if common:
        return common[0], 0
    return listed(
        *seen[0], steady=all(_agree(order, other) for step, order in seen for other in _others(seen, step))
    ), 1


def _others(seen: Sequence[tuple[Watched, Order]], step: Watched) -> list[Order]:
    """Return the block orders of all wrong steps of the example to which ``step`` belongs."""
    return [order for other, order in seen if other.run is step.run]


def _agree(a: Order, b: Order) -> bool:
    """Say whether the parameters that stand in both orders move in the same sequence.

    A parameter may be missing from one of them: a zero gradient moves nothing.
    """
    flat = [list(dict.fromkeys(i for block in order for i in sorted(block))) for order in (a, b)]
    common = set(flat[0]) & set(flat[1])
    one, other = ([i for i in moves if i in common] for moves in flat)
    return one == other


def _order(seen: Observation) -> Order:
    """Return the blocks in the order in which they moved; a block maps each parameter to the entries that moved."""
    return [
        {i: m for i, m in enumerate(masks) if m.any()} for masks in seen.moved_after() if any(m.any() for m in masks)
    ]
