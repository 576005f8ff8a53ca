"""Chapter step, for training steps: one update per logical step, of the whole window, clipped as declared.

The user's code owns the loop here, and gdprops sees the weights before and after every logical step. A wrong step is
compared with rivals: wrong results that a known mistake would give, each with a name such as "the mean of the
micro-batches' means". Where a rival reproduces the weights that were seen, the violation gets its name. Otherwise the
step is wrong in a way that another clause is about (step.simultaneous).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from gdprops.clauses.implementations import training_step
from gdprops.clauses.support.lazy import lazy
from gdprops.model.case import TrainCase
from gdprops.model.clause import Implementation, View, clause

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


def _unless_a_rival(steps: Sequence[Watched], rivals: Callable[[Watched], Sequence[Named]], wanted: int) -> Evidence:
    """Return a violation if a rival reproduces the first wrong step; the reason is the name of the rival.

    Where no step is wrong, the example is decisive if the first ``wanted`` rivals differ from the expected weights.
    """
    wrong = next((step for step in steps if step.wrong), None)
    if wrong is None:
        return workbench.combine(_right(step, rivals(step)[:wanted]) for step in steps)
    seen = next((what for what, rival in rivals(wrong) if wrong.equals(rival())), None)
    return training_step.wrong_otherwise(wrong) if seen is None else training_step.agrees(wrong, [], seen)


def _right(step: Watched, rivals: Sequence[Named]) -> Evidence:
    if not rivals:
        return workbench.vacuous("no rival result exists in this example")
    return training_step.agrees(step, [rival() for _, rival in rivals])


@clause(
    id="step.once",
    statement="One logical step applies one update.",
    source="PKU-YuanGroup/Helios#130: the wrapper steps inside every backward pass. pytorch/pytorch#40967: a tensor "
    "that is listed twice is stepped twice.",
    decision="Only a training step can break this clause: an optimizer is called once by gdprops itself. Every step "
    "is compared with U(w, g(w), s). A wrong step is a violation of this clause when applying U twice reproduces "
    "it. Besides, the clock of every parameter in the optimizer must advance as U advances it. The number of step() "
    "calls is no evidence. An example is decisive when the result of applying U twice can be told from the expected "
    "weights.",
    view=View.TRAINING,
    refuted_by=("steps-twice", "listed-twice", "ticks-once-per-tensor"),
    cases=lambda domain: training_step.loops_of(domain),
)
def once(subject: TrainedSubject, case: TrainCase) -> Evidence:
    return training_step.once(subject, case)


@clause(
    id="step.clipping",
    statement="Gradients are clipped before any parameter is updated, and all by one scalar: g_b ← c g_b with c = "
    "min(1, C / |g|), |g| being the norm over all trained parameters.",
    source="Pascanu, Mikolov and Bengio 2013, arXiv:1211.5063, algorithm 1. huggingface/transformers#581 clipped "
    "every tensor by itself.",
    decision="Every step is compared with U(w, c g(w), s) for a c between C / (N + 1e-6) and C / N, where N is the "
    "norm of the whole gradient. A wrong step is a violation of this clause when a known mistake reproduces it: no "
    "clipping, or clipping by parameter, by layer or by micro-batch. An example is decisive when two mistakes, no "
    "clipping and clipping every tensor by itself, can be told from the expected weights (with clip_value=, the "
    "first alone).",
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
    by_value = subject.declaration.clip_value is not None  # clipping every tensor by itself is then right
    return _unless_a_rival(workbench.watch(subject, case), _clipping_rivals, 1 if by_value else 2)


def _clipping_rivals(step: Watched) -> list[Named]:
    raw = step.run.gradients(step.before, step.batch, clipped=False)
    everything = [[i] for i in range(len(raw))]
    return [
        ("the gradient is not clipped", lambda: step.update(raw)),
        ("each parameter's gradient is clipped by itself", lambda: step.update(_clip_parts(step, raw, everything))),
        ("each layer's gradient is clipped by itself", lambda: step.update(_clip_parts(step, raw, step.run.layers))),
        (
            "each micro-batch's gradient is clipped by itself",
            lambda: step.update(_clip_micro_batches(step, weighted=True)),
        ),
        ("each micro-batch's gradient is clipped, then they are added", lambda: step.update(_clip_micro_batches(step))),
        ("the gradient is clipped after every micro-batch", lambda: step.update(_clip_running(step))),
    ]


def _clip_parts(step: Watched, raw: Grads, parts: Sequence[Sequence[int]]) -> Grads:
    clipped = list(raw)
    for part in parts:
        alone = step.run.clip([g if i in part else None for i, g in enumerate(raw)])
        clipped = [a if i in part else g for i, (g, a) in enumerate(zip(clipped, alone, strict=True))]
    return clipped


def _clip_micro_batches(step: Watched, *, weighted: bool = False) -> Grads:
    """Return the sum of the micro-batches' clipped gradients.

    ``weighted``: before it is clipped, every gradient is multiplied by its micro-batch's share of the rows.
    """
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
    """Yield the unclipped gradient of every micro-batch; ``weighted``: times the micro-batch's share of the rows."""
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
    """Return the rows of every micro-batch that the step computed a gradient of.

    The list is empty where these micro-batches together are not the whole batch.
    """
    sizes, found, start = step.noticed.looks, list[slice](), 0
    if sum(sizes) != step.run.rows(step.batch):
        return []
    for size in sizes:
        found.append(slice(start, start + size))
        start += size
    return found


@clause(
    id="step.accumulation",
    statement="Micro-batches, also of unequal sizes, give the gradient of the whole window: it is normalized once "
    "and applied in one update.",
    source="huggingface/transformers#34191 and unslothai/unsloth#1146: the mean of the micro-batches' means. "
    "modelscope/ms-swift#10084: a short last window is divided by the full count.",
    decision="For a step that is called once per micro-batch (accumulate=) or that splits its batches itself. The "
    "losses are means over rows. The result of a window is compared with U(w, ∇J(whole window), s). A wrong result "
    "is a violation of this clause when a known mistake reproduces it. An example is decisive when the mean of the "
    "micro-batches' means can be told from the expected weights (the sum of the means, where all micro-batches have "
    "one size).",
    view=View.TRAINING,
    refuted_by=(
        "means-of-micro-batches",
        "divides-by-the-full-count",
        "steps-on-the-sum",
        "steps-on-every-micro-batch",
        "hooks-step-on-every-micro-batch",
    ),
    cases=lambda domain: workbench.loops(
        domain, workbench.Loop(double=True, frozen=False, least_rows=workbench.decisions.SPLIT_ROWS)
    ),
)
def accumulation(subject: TrainedSubject, case: TrainCase) -> Evidence:
    steps = workbench.watch(subject, case)
    most = max((len(step.noticed.looks) for step in steps), default=0)
    return _unless_a_rival(steps, lambda step: list(_accumulation_rivals(step, most)), 1)


def _accumulation_rivals(step: Watched, most: int) -> Iterator[Named]:
    pieces = _pieces(step)
    if len(pieces) < 2:
        return
    grads = [step.run.gradients(step.before, step.batch, rows=piece, clipped=False) for piece in pieces]
    summed = list[Any]()
    for g in grads:
        summed = _added(summed, g)
    if len({p.stop - p.start for p in pieces}) > 1:  # with equal sizes the mean of the means is the right result
        yield "the mean of the micro-batches' means", lambda: _scaled(step, summed, 1 / len(pieces))
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
    statement="A step that updates parameters from hooks during the backward pass ends where an update after it "
    "would: w' = U(w, g(w), s), also with tied weights and checkpointed segments.",
    source="pytorch/pytorch#81296: a hook on a shared parameter runs once per use. pytorch/torchtitan#777: all "
    "hooks see the last model part.",
    decision="For training steps whose weights are seen to move before backward() returns. Every step is compared "
    "with U(w, g(w), s), within 16 noise floors, on networks with tied weights and on networks whose segments are "
    "checkpointed (recomputed in the backward pass). An example is decisive when a sweep that moves the last layer "
    "first can be told from the expected weights.",
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
    """Return what is special about one of gdprops' own networks: checkpointed segments, a shared weight."""
    if not isinstance(case, TrainCase):
        return ""
    tied = len({layer.weight for layer in case.network.layers}) < len(case.network.layers)
    shared = " and layers share a weight" * tied
    return f", segments are recomputed ({case.network.recomputed}){shared}" if case.network.recomputed else shared


def _unsplit(subject: Any) -> str | None:
    if subject.declaration.accumulate > 1 or subject.habits.splits:
        return None
    return "it computes one gradient of every whole batch, and no accumulate= is declared"


def _unclipped(subject: Any) -> str | None:
    stated = subject.declaration
    declared = stated.clip_norm is not None or stated.clip_value is not None
    return None if declared else "no clipping is declared (clip_norm=, clip_value=)"


def _after_backward(subject: Any) -> str | None:
    return None if subject.habits.in_backward else "moves no weight during backward"


IMPLEMENTATIONS = {
    "step.once": Implementation(training_step.loops_of, training_step.once),
    "step.clipping": Implementation(clipping.cases, clipping.examine, _unclipped),
    "step.accumulation": Implementation(accumulation.cases, accumulation.examine, _unsplit),
    "step.in-backward": Implementation(in_backward.cases, in_backward.examine, _after_backward),
}
CLAUSES = (once, clipping, accumulation, in_backward)
