"""Chapter step, where the user owns the loop: one update, of the whole window, clipped as declared."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from gdprops.clauses.implementations import training_step
from gdprops.clauses.support.lazy import lazy
from gdprops.model.case import TrainCase
from gdprops.model.clause import Implementation, View, clause
from gdprops.model.note import Note

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from gdprops.clauses.support import workbench
    from gdprops.clauses.support.watched_step import Arrays, Grads, Watched
    from gdprops.model.arrays import Array
    from gdprops.model.evidence import Evidence
    from gdprops.model.training_run import TrainedSubject

    Named = tuple[str, Callable[[], Arrays]]
else:
    workbench = lazy("gdprops.clauses.support.workbench")


MEAN_OF_MEANS = "the mean of the micro-batches' means"
DECLARE_EQUAL = Note(
    "the step takes the mean of the micro-batches' means, which is right where all micro-batches have one size "
    '(drop_last); it was given ragged ones. If yours all have one size, declare micro="equal"'
)


def _unless_seen(steps: Sequence[Watched], rivals: Callable[[Watched], Sequence[Named]], wanted: int) -> Evidence:
    """Hold the first wrong step against what it must not be; where all is right, the first of those must differ."""
    wrong = next((step for step in steps if step.wrong), None)
    if wrong is None:
        return workbench.combine(_right(step, rivals(step)[:wanted]) for step in steps)
    seen = next((what for what, rival in rivals(wrong) if wrong.equals(rival())), None)
    return training_step.wrong_otherwise(wrong) if seen is None else training_step.agrees(wrong, [], seen)


def _right(step: Watched, rivals: Sequence[Named]) -> Evidence:
    if not rivals:
        return workbench.vacuous("nothing to tell it from")
    return training_step.agrees(step, [rival() for _, rival in rivals])


@clause(
    id="step.once",
    statement="One logical step applies one update.",
    source="Helios#130: the wrapper steps inside every backward; pytorch#40967: a tensor listed twice steps twice.",
    decision="A training step: the result equals U(w, g(w), s), U applied twice must be distinguishable, and the "
    "parameters' clocks in the optimizer advance as U advances them. The number of step() calls is no evidence. An "
    "optimizer is called once by gdprops itself.",
    view=View.TRAINING,
    refuted_by=("steps-twice", "listed-twice", "ticks-once-per-tensor"),
    cases=lambda domain: training_step.loops_of(domain),
)
def once(subject: TrainedSubject, case: TrainCase) -> Evidence:
    return training_step.once(subject, case)


@clause(
    id="step.clipping",
    statement="Gradients are clipped before any update, all by one scalar: g_b ← c g_b with c = min(1, C / |g|) over "
    "all parameters that are trained.",
    source="Pascanu, Mikolov and Bengio, 2013; transformers#581 clipped every tensor by itself.",
    decision="Every step equals U(w, c g(w), s) for a c between C / (N + 1e-6) and C / N; not clipping, and clipping "
    "every tensor by itself, must be distinguishable.",
    view=View.TRAINING,
    refuted_by=(
        "clips-each-tensor",
        "hooks-step-before-clipping",
        "clips-every-micro-batch",
        "clips-after-the-step",
    ),
    cases=lambda domain: workbench.clipped_loops(domain),
)
def clipping(subject: Any, case: TrainCase) -> Evidence:
    by_value = subject.declaration.clip_value is not None  # then each entry by itself is right
    return _unless_seen(workbench.watch(subject, case), _otherwise_clipped, 1 if by_value else 2)


def _otherwise_clipped(step: Watched) -> list[Named]:
    raw = step.run.gradients(step.before, step.batch, clipped=False)
    everything = [[i] for i in range(len(raw))]
    return [
        ("the gradient is not clipped", lambda: step.update(raw)),
        ("each parameter's gradient is clipped by itself", lambda: step.update(_clip_parts(step, raw, everything))),
        ("each layer's gradient is clipped by itself", lambda: step.update(_clip_parts(step, raw, step.run.layers))),
        ("each micro-batch's gradient is clipped by itself", lambda: step.update(_clip_pieces(step, weighted=True))),
        ("each micro-batch's gradient is clipped, then they are added", lambda: step.update(_clip_pieces(step))),
        ("the gradient is clipped after every micro-batch", lambda: step.update(_clip_running(step))),
    ]


def _clip_parts(step: Watched, raw: Grads, parts: Sequence[Sequence[int]]) -> Grads:
    clipped = list(raw)
    for part in parts:
        alone = step.run.clip([g if i in part else None for i, g in enumerate(raw)])
        clipped = [a if i in part else g for i, (g, a) in enumerate(zip(clipped, alone, strict=True))]
    return clipped


def _clip_pieces(step: Watched, *, weighted: bool = False) -> Grads:
    """Return the sum of the micro-batches' clipped gradients; weighted, each counts by its rows beforehand."""
    total = list[Any]()
    for g in _shares(step, weighted=weighted):
        total = _added(total, step.run.clip(g))
    return total or step.gradients


def _clip_running(step: Watched) -> Grads:
    total = list[Any]()
    for g in _shares(step, weighted=True):
        total = step.run.clip(_added(total, g))
    return total or step.gradients


def _shares(step: Watched, *, weighted: bool) -> Iterator[Grads]:
    """Yield each micro-batch's gradient, unclipped, times its share of the rows where it is weighted."""
    rows = step.run.rows(step.batch)
    for piece in _pieces(step):
        g = step.run.gradients(step.before, step.batch, rows=piece, clipped=False)
        share = (piece.stop - piece.start) / rows if weighted else 1.0
        yield [None if x is None else share * x for x in g]


def _added(total: Sequence[Any], more: Grads) -> list[Any]:
    if not total:
        return list(more)
    return [b if a is None else a if b is None else a + b for a, b in zip(total, more, strict=True)]


def _pieces(step: Watched) -> list[slice]:
    """Return the rows of each micro-batch that the step looked at, where together they are the whole batch."""
    sizes, found, start = step.noticed.looks, list[slice](), 0
    if sum(sizes) != step.run.rows(step.batch):
        return []
    for size in sizes:
        found.append(slice(start, start + size))
        start += size
    return found


@clause(
    id="step.accumulation",
    statement="Micro-batches, ragged ones too, give the gradient of the whole window: normalized once, one update.",
    source="transformers#34191 and unsloth#1146: the mean of the micro-batches' means; ms-swift#10084: a short last "
    "window divided by the full count.",
    decision="A step that is called per micro-batch (accumulate=), or splits its batches: the result equals "
    "U(w, ∇J(whole window), s); the mean of the means (of equal sizes: the sum) must be distinguishable. "
    "The losses are means over rows.",
    view=View.TRAINING,
    refuted_by=(
        "means-of-micro-batches",
        "divides-by-the-full-count",
        "steps-on-the-sum",
        "steps-on-every-micro-batch",
        "hooks-step-on-every-micro-batch",
    ),
    cases=lambda domain: workbench.loops(
        domain,
        workbench.Loop(double=True, frozen=False, least_rows=workbench.decisions.SPLIT_ROWS, moderate=True),
    ),
)
def accumulation(subject: Any, case: TrainCase) -> Evidence:
    steps = workbench.watch(subject, case)
    most = max((len(step.noticed.looks) for step in steps), default=0)
    found = _unless_seen(steps, lambda step: list(_otherwise_accumulated(step, most)), 1)
    told = found.reason == MEAN_OF_MEANS and subject.declaration.accumulate > 1 and subject.own is None
    return replace(found, notes=(*found.notes, DECLARE_EQUAL)) if told else found


def _otherwise_accumulated(step: Watched, most: int) -> Iterator[Named]:
    pieces = _pieces(step)
    if len(pieces) < 2:
        return
    grads = [step.run.gradients(step.before, step.batch, rows=piece, clipped=False) for piece in pieces]
    summed = list[Any]()
    for g in grads:
        summed = _added(summed, g)
    if len({p.stop - p.start for p in pieces}) > 1:  # of equal micro-batches the mean of the means is right
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


def _scaled(step: Watched, gradients: Grads, k: float) -> list[Array]:
    return step.update(step.run.clip([None if g is None else k * g for g in gradients]))


def _update_each(step: Watched, pieces: Sequence[slice], k: float) -> list[Array]:
    v, state = list(step.before), step.state
    for piece in pieces:
        g = step.run.gradients(v, step.batch, rows=piece, clipped=False)
        scaled = step.run.clip([None if x is None else k * x for x in g])
        v, state = step.run.update(v, scaled, state, step.settings), None
    return v


@clause(
    id="step.in-backward",
    statement="Updating from hooks during backward equals updating after it: w' = U(w, g(w), s), tied weights and "
    "checkpointed segments included.",
    source="pytorch#81296: with a shared parameter a hook fires once per use; torchtitan#777: all hooks see the last "
    "model part.",
    decision="Where weights are seen to move before backward returns: every step equals U(w, g(w), s) on networks with "
    "tied weights and on recomputed ones; a sweep that moves the last layer first must be distinguishable.",
    view=View.TRAINING,
    refuted_by=(
        "hooks-fire-per-use",
        "hooks-share-the-last-part",
        "steps-when-its-counter-is-full",
        "hooks-step-on-every-micro-batch",
    ),
    cases=lambda domain: workbench.recomputed_loops(domain),
)
def in_backward(subject: TrainedSubject, case: Any) -> Evidence:
    what = f"weights move during backward{_of(case)}"
    return training_step.agrees_everywhere(workbench.stream(subject, case), what)


def _of(case: Any) -> str:
    """Return what is particular about a network of ours."""
    if not isinstance(case, TrainCase):
        return ""
    tied = len({layer.weight for layer in case.network.layers}) < len(case.network.layers)
    shared = " and layers share a weight" * tied
    return f", segments are recomputed ({case.network.recomputed}){shared}" if case.network.recomputed else shared


def _unsplit(subject: Any) -> str | None:
    if subject.declaration.accumulate > 1 or subject.habits.splits:
        return None
    return "looks at every batch as a whole, and no accumulate= is declared"


def _unclipped(subject: Any) -> str | None:
    stated = subject.declaration
    declared = stated.clip_norm is not None or stated.clip_value is not None
    return None if declared else "no clipping is declared (clip_norm=, clip_value=)"


def _after_backward(subject: Any) -> str | None:
    return None if subject.habits.in_backward else "moves nothing during backward"


IMPLEMENTATIONS = {
    "step.once": Implementation(training_step.loops_of, training_step.once),
    "step.clipping": Implementation(clipping.cases, clipping.examine, _unclipped),
    "step.accumulation": Implementation(accumulation.cases, accumulation.examine, _unsplit),
    "step.in-backward": Implementation(in_backward.cases, in_backward.examine, _after_backward),
}
CLAUSES = (once, clipping, accumulation, in_backward)
