"""Chapter step, for training steps: gradients are clipped once, all by one scalar, before anything moves.

What one training step does to the weights is compared with wrong ways to clip (`rival_results.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gdprops.clauses.implementations.rival_results import added, micro_batches, unless_a_rival
from gdprops.clauses.support.lazy import lazy
from gdprops.model.case import TrainCase
from gdprops.model.clause import Implementation, View, clause

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gdprops.clauses.implementations.rival_results import Named
    from gdprops.clauses.support import workbench
    from gdprops.clauses.support.watched_step import Grads, Watched
    from gdprops.model.evidence import Evidence
else:
    workbench = lazy("gdprops.clauses.support.workbench")


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
    return unless_a_rival(workbench.watch(subject, case), _clipping_rivals, 1 if by_value else 2)


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
        total = added(total, step.run.clip(g))
    return total or step.gradients


def _clip_running(step: Watched) -> Grads:
    total = list[Any]()
    for g in _shares(step, weighted=True):
        total = step.run.clip(added(total, g))
    return total or step.gradients


def _shares(step: Watched, *, weighted: bool) -> Iterator[Grads]:
    """Yield the unclipped gradient of every micro-batch; ``weighted``: times the micro-batch's share of the rows."""
    rows = step.run.rows(step.batch)
    for piece in micro_batches(step):
        g = step.run.gradients(step.before, step.batch, rows=piece, clipped=False)
        share = (piece.stop - piece.start) / rows if weighted else 1.0
        yield [None if x is None else share * x for x in g]


def _unclipped(subject: Any) -> str | None:
    stated = subject.declaration
    declared = stated.clip_norm is not None or stated.clip_value is not None
    return None if declared else "no clipping is declared (clip_norm=, clip_value=)"


IMPLEMENTATIONS = {"step.clipping": Implementation(clipping.cases, clipping.examine, _unclipped)}
CLAUSES = (clipping,)
