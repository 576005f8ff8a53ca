"""Hypotheses about the gradient that a training step uses: stale, accumulated, of another batch, or applied twice.

A rival is a function of the watched step that returns the weights which the hypothesis predicts, or None where the
hypothesis says nothing about that step. Example: ``_stale`` updates with the gradient of the step before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gdprops.explanations.training_step.hypothesis import Hypothesis, Moment, Weights, on_steps
from gdprops.numerics.published.shaken_arrays import bfloat16

if TYPE_CHECKING:
    from gdprops.clauses.support.watched_step import Grads, Watched
    from gdprops.model.arrays import Array
    from gdprops.model.training_run import StepTraining


def total(parts: Sequence[Grads]) -> Grads:
    """Return the sum of gradients, parameter by parameter; a missing one adds nothing."""
    found: list[Any] = list(parts[0])
    for part in parts[1:]:
        found = [b if a is None else a if b is None else a + b for a, b in zip(found, part, strict=True)]
    return found


def _stale(step: Watched) -> Weights | None:
    return step.update(step.earlier[-1]) if step.earlier else None


def _left_over(moment: Moment) -> Weights | None:
    """Update with the gradients that the step before left in ``.grad``."""
    step, seen = moment
    return None if seen is None or step.number == 1 else step.update(seen.left)


def _added_to_left(moment: Moment) -> Weights | None:
    """Add the gradients that the step before left in ``.grad``: ``zero_grad`` is omitted from some step on."""
    step, seen = moment
    return None if seen is None or step.number == 1 else step.update(total([seen.left, step.gradients]))


def _added(step: Watched) -> Weights | None:
    return step.update(total([*step.earlier, step.gradients])) if step.earlier else None


def _added_to_last(step: Watched) -> Weights | None:
    return step.update(total([step.earlier[-1], step.gradients])) if step.earlier else None


def _first_for_ever(step: Watched) -> Weights | None:
    return step.update(step.earlier[0]) if len(step.earlier) > 1 else _stale(step)


def _partly_added(step: Watched) -> Weights | None:
    """Add the earlier gradients for the wrong parameters only, as if their optimizer never called ``zero_grad``."""
    added = _added(step)
    return None if added is None else [a if step.wrong_at(i) else step.expected[i] for i, a in enumerate(added)]


def _none_handed_over(moment: Moment) -> Weights | None:
    """Leave all weights where they are: an optimizer without any gradient does not even move by its momentum."""
    step, seen = moment
    if seen is None or not any(step.held):
        return None
    return step.before if seen.calls_without_gradients else None


def _zeroed(moment: Moment) -> Weights | None:
    """Update with zeros for the parameters whose gradient was seen to be all zeros at the optimizer's door."""
    step, zeros = moment.step, _zeros_handed_over(moment)
    if not zeros:
        return None
    moved = step.update([np.zeros_like(g) if g is not None and i in zeros else g for i, g in enumerate(step.gradients)])
    return None if all(np.array_equal(moved[i], step.before[i]) for i in zeros) else moved


def _zeros_handed_over(moment: Moment) -> set[int]:
    """Return the parameters that were handed over with a gradient of zeros although theirs is another one."""
    door = None if moment.seen is None else moment.seen.door()
    pairs = enumerate(zip(door or (), moment.step.gradients, strict=False))
    return {i for i, (given, g) in pairs if given is not None and g is not None and g.any() and not given.any()}


def _twice(moment: Moment) -> Weights | None:
    """Apply the gradient twice; None if the log shows that a parameter was written only once."""
    step, seen = moment
    if seen is not None and len(seen.calls) == 1 and min(seen.writes.values(), default=0) < 2:
        return None
    first = step.update(step.gradients)
    return step.run.update(first, step.gradients, None, step.settings)


def _of_batch(shift: int) -> Callable[[Watched], Weights | None]:
    def rival(step: Watched) -> Weights | None:
        other = step.batch + shift
        return step.update(step.run.gradients(step.before, other)) if 0 <= other < step.run.batches else None

    return rival


def _rowwise(step: Watched) -> Weights | None:
    """Make one update per row of the batch, each at the weights that the row before left."""
    rows = step.run.rows(step.batch)
    if rows < 2:
        return None
    v, state = list(step.before), step.state
    for row in range(rows):
        g = step.run.gradients(v, step.batch, rows=slice(row, row + 1))
        v, state = step.run.update(v, g, state, step.settings), None
    return v


def _mean_of_rows(step: Watched) -> Weights | None:
    rows = step.run.rows(step.batch)
    if rows < 2:
        return None
    each = [step.run.gradients(step.before, step.batch, rows=slice(r, r + 1)) for r in range(rows)]
    return step.update([None if g is None else g / rows for g in total(each)])


def _mean_of_two(step: Watched) -> Weights | None:
    """Update with the mean of two gradients: that of the first row and that of all other rows."""
    rows = step.run.rows(step.batch)
    if rows < 2:
        return None
    parts = [step.run.gradients(step.before, step.batch, rows=part) for part in (slice(0, 1), slice(1, rows))]
    return step.update([None if g is None else g / 2 for g in total(parts)])


def _spread(of: Grads) -> list[Array | None]:
    return [None if g is None else np.sign(g) for g in of]


def _rounded(halved: Callable[[Array], Array]) -> Callable[[Watched], Weights | None]:
    """Return the rival that rounds every gradient to half precision; numbers beyond it become infinite."""

    def rival(step: Watched) -> Weights | None:
        with np.errstate(over="ignore"):
            return step.update([None if g is None else halved(g).astype(g.dtype) for g in step.gradients])

    return rival


def _only_first(step: Watched) -> Weights | None:
    return step.before if step.number > 1 else None


def _transposed(step: Watched) -> Weights:
    squares = [g is not None and g.ndim == 2 and g.shape[0] == g.shape[1] for g in step.gradients]
    return step.update(
        [g.T if square and g is not None else g for g, square in zip(step.gradients, squares, strict=True)]
    )


def _zeros_for_missing(step: Watched) -> Weights:
    missing = [g is None and trains for g, trains in zip(step.gradients, step.trainable, strict=True)]
    triples = zip(step.gradients, missing, step.before, strict=True)
    return step.update([np.zeros_like(w) if lacks else g for g, lacks, w in triples])


def _unfrozen(step: Watched) -> Weights | None:
    if step.run.live is None or all(step.trainable):
        return None
    run: StepTraining = step.run  # type: ignore[assignment] # what has a live model is a training step
    return step.update(run.gradients_unfrozen(step.before, step.batch))


FRESH = "step.fresh-gradient"
GRADIENTS = (
    Hypothesis("the last step's gradient is used (stale)", on_steps(_stale), clause=FRESH),
    Hypothesis("the last step's gradient is used (stale)", _left_over, clause=FRESH),
    Hypothesis("the gradient is added to those of the earlier steps (no zero_grad)", on_steps(_added), clause=FRESH),
    Hypothesis("the gradient is added to what the step before left", _added_to_left, clause=FRESH, broad=2),
    Hypothesis("the gradient is added to the last step's", on_steps(_added_to_last), clause=FRESH, broad=1),
    Hypothesis(
        "the gradients of some parameters are added to those of the earlier steps (not zeroed), all others are right",
        on_steps(_partly_added),
        clause=FRESH,
        broad=2,
    ),
    Hypothesis(
        "the first step's gradient is used for ever", on_steps(_first_for_ever), clause=FRESH, broad=1, dated=True
    ),
    Hypothesis(
        "the gradient of the last step's batch is used, at these weights",
        on_steps(_of_batch(-1)),
        clause=FRESH,
        broad=1,
    ),
    Hypothesis("the gradient of the next step's batch is used", on_steps(_of_batch(1)), clause=FRESH, broad=1),
    Hypothesis(
        "only the first step moves anything",
        on_steps(_only_first),
        clause="step.moves-all",
        about_rest=True,
        dated=True,
    ),
    Hypothesis(
        "a missing gradient is replaced by zeros: parameters that take no part move too",
        on_steps(_zeros_for_missing),
        clause="step.moves-all",
    ),
    Hypothesis(
        "what was frozen when build returned the step is trained like everything else: the step sets requires_grad "
        "or ignores it",
        on_steps(_unfrozen),
        clause="step.frozen-untouched",
    ),
    Hypothesis(
        "some parameters are given a gradient of zeros, all others are right: the optimizer's weight decay, momentum "
        "or averages still move them (what is to rest must have no gradient at all)",
        _zeroed,
        broad=1,
        about_rest=True,
    ),
    Hypothesis("the gradients of square matrices are transposed", on_steps(_transposed)),
    Hypothesis("the same update is applied twice", _twice, clause="step.once"),
    Hypothesis(
        "one update per row of the batch, each at the weights that the last one left",
        on_steps(_rowwise),
        clause="step.accumulation",
    ),
    Hypothesis("the mean of the rows' own gradients", on_steps(_mean_of_rows), clause="step.accumulation"),
    Hypothesis(
        "the mean of two ragged micro-batches' gradients: the first row weighs as much as all others",
        on_steps(_mean_of_two),
        clause="step.accumulation",
    ),
    Hypothesis(
        "the gradients are rounded to float16 before the update", on_steps(_rounded(lambda g: g.astype(np.float16)))
    ),
    Hypothesis("the gradients are rounded to bfloat16 before the update", on_steps(_rounded(bfloat16))),
    Hypothesis(
        "the signs of the gradient are used", on_steps(lambda step: step.update(_spread(step.gradients))), broad=1
    ),
)
NONE_HANDED_OVER = Hypothesis(
    "no parameter has a gradient when the optimizer is called (not yet, or not any more)",
    _none_handed_over,
    clause="step.moves-all",
    broad=1,
    about_rest=True,
)
NOT_YET = replace(NONE_HANDED_OVER, text="nothing moves: the optimizer is called before any gradient exists", broad=-1)
"""What it is called at step 1."""
