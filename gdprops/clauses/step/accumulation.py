"""Chapter step, for training steps: several micro-batches make one update, by the gradient of the whole window.

What one window does to the weights is compared with wrong ways to accumulate (`rival_results.py`).
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from gdprops.clauses.implementations.rival_results import added, micro_batches, unless_a_rival
from gdprops.clauses.support.lazy import lazy
from gdprops.model.case import TrainCase
from gdprops.model.clause import Implementation, View, clause
from gdprops.model.note import Note

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gdprops.clauses.implementations.rival_results import Named
    from gdprops.clauses.support import workbench
    from gdprops.clauses.support.watched_step import Grads, Watched
    from gdprops.model.arrays import Array
    from gdprops.model.evidence import Evidence
    from gdprops.model.training_run import StepTraining
else:
    workbench = lazy("gdprops.clauses.support.workbench")


MEAN_OF_MEANS = "the mean of the micro-batches' means"
DECLARE_EQUAL = Note(
    "the step takes the mean of the micro-batches' means, which is right where all micro-batches have one size "
    '(drop_last); it was given micro-batches of unequal sizes. If yours all have one size, declare micro="equal"'
)


@clause(
    id="step.accumulation",
    statement="Micro-batches, also of unequal sizes, give the gradient of the whole window: it is normalized once "
    "and applied in one update.",
    source="huggingface/transformers#34191 and unslothai/unsloth#1146: the mean of the micro-batches' means. "
    "modelscope/ms-swift#10084: a short last window is divided by the full count.",
    decision="For a step that is called once per micro-batch (accumulate=) or that splits its batches itself. The "
    "losses are means over rows, or over what counts= counts: then the window's gradient is Σ c ∇J(B) / Σ c over its "
    "micro-batches B. The result of a window is compared with U(w, ∇J(whole window), s). A wrong result is a violation "
    "of this clause when a known mistake reproduces it. An example is decisive when the mean of the micro-batches' "
    "means can be told from the expected weights (the sum of the means, where all micro-batches have one size).",
    view=View.TRAINING,
    refuted_by=(
        "means-of-micro-batches",
        "divides-by-the-full-count",
        "steps-on-the-sum",
        "steps-on-every-micro-batch",
        "hooks-step-on-every-micro-batch",
        "means-of-token-means",
    ),
    cases=lambda domain: workbench.loops(
        domain,
        workbench.Loop(double=True, frozen=False, least_rows=workbench.decisions.SPLIT_ROWS, moderate=True),
    ),
)
def accumulation(subject: Any, case: TrainCase) -> Evidence:
    steps = workbench.watch(subject, case)
    most = max((len(step.noticed.looks) for step in steps), default=0)
    found = unless_a_rival(steps, lambda step: list(_accumulation_rivals(step, most)), 1)
    told = found.reason == MEAN_OF_MEANS and subject.declaration.accumulate > 1 and subject.own is None
    return replace(found, notes=(*found.notes, DECLARE_EQUAL)) if told else found


def _accumulation_rivals(step: Watched, most: int) -> Iterator[Named]:
    pieces = micro_batches(step)
    if len(pieces) < 2:
        return
    run: StepTraining = step.run  # type: ignore[assignment] # the clause is about training steps alone
    counts = run.counts(step.batch)
    if counts is not None:
        pieces = [piece for piece, c in zip(pieces, counts, strict=False) if c]  # the others have no loss
    grads = [step.run.gradients(step.before, step.batch, rows=piece, clipped=False) for piece in pieces]
    summed = list[Any]()
    for g in grads:
        summed = added(summed, g)
    if counts is not None:
        yield from _otherwise_counted(step, pieces, grads, [c for c in counts if c])
    elif len({p.stop - p.start for p in pieces}) > 1:  # with equal sizes the mean of the means is the right result
        yield MEAN_OF_MEANS, lambda: _scaled(step, summed, 1 / len(pieces))
    yield "the sum of the micro-batches' means", lambda: _scaled(step, summed, 1.0)
    yield f"divided by {most} for {len(pieces)} micro-batches", lambda: _scaled(step, summed, 1 / most)
    share = len(pieces) / most
    yield f"scaled by {len(pieces)}/{most}", lambda: _scaled(step, step.gradients, share)
    last = pieces[-1].stop - pieces[-1].start
    for part in (1.0, 1 / len(pieces), last / pieces[-1].stop):
        yield "only the last micro-batch counts", partial(_scaled, step, grads[-1], part)
    yield "one update per micro-batch", lambda: _update_each(step, pieces, 1.0)
    yield "one update per micro-batch, each with its share", lambda: _update_each(step, pieces, 1 / len(pieces))


def _otherwise_counted(
    step: Watched, pieces: Sequence[slice], grads: Sequence[Grads], counts: Sequence[float]
) -> Iterator[Named]:
    """Yield what comes of a window whose micro-batches count alike, or by their rows: each where that is wrong."""
    rows = [float(piece.stop - piece.start) for piece in pieces]
    for what, weights in ((MEAN_OF_MEANS, [1.0] * len(rows)), ("the micro-batches count by their rows", rows)):
        if len({c / w for c, w in zip(counts, weights, strict=True)}) > 1:
            of_rows, counted = (", ".join(f"{n:g}" for n in some) for some in (rows, counts))
            told = f"{what}; they have {of_rows} rows and count {counted}"
            yield told, partial(_weighted, step, grads, [w / sum(weights) for w in weights])


def _weighted(step: Watched, grads: Sequence[Grads], weights: Sequence[float]) -> list[Array]:
    total = list[Any]()
    for g, w in zip(grads, weights, strict=True):
        total = added(total, [None if one is None else w * one for one in g])
    return step.update(step.run.clip(total))


def _scaled(step: Watched, gradients: Grads, k: float) -> list[Array]:
    return step.update(step.run.clip([None if g is None else k * g for g in gradients]))


def _update_each(step: Watched, pieces: Sequence[slice], k: float) -> list[Array]:
    v, state = list(step.before), step.state
    for piece in pieces:
        g = step.run.gradients(v, step.batch, rows=piece, clipped=False)
        scaled = step.run.clip([None if x is None else k * x for x in g])
        v, state = step.run.update(v, scaled, state, step.settings), None
    return v


def _unsplit(subject: Any) -> str | None:
    if subject.declaration.accumulate > 1 or subject.habits.splits:
        return None
    return "it computes one gradient of every whole batch, and no accumulate= is declared"


IMPLEMENTATIONS = {"step.accumulation": Implementation(accumulation.cases, accumulation.examine, _unsplit)}
CLAUSES = (accumulation,)
