"""After every step all ranks hold what one process on the whole batch would hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdprops.clauses.support.lazy import lazy
from gdprops.clauses.support.ranks_clause import ranks_clause
from gdprops.model.evidence import combine

if TYPE_CHECKING:
    from gdprops.clauses.support import ranks_story
    from gdprops.model.evidence import Evidence
    from gdprops.subjects.distributed_step.observed import Story
else:
    ranks_story = lazy("gdprops.clauses.support.ranks_story")


@ranks_clause(
    id="distributed.equals-single",
    statement="After every step the weights, on every rank, are those of one process on the whole batch.",
    source=(
        "neuralmagic/sparseml#135, verl-project/verl-SpeCo#29: a factor of the number of ranks. "
        "Frameworks write this test by hand, with a "
        "tolerance."
    ),
    decision="Every rank has other rows of each batch. What each holds after a step is compared with U(w, g(w), s) of "
    "one process that has all rows: by == where a certificate proves that nothing rounds, elsewhere within 16 noise "
    "floors of gdprops' own model. A violation is told only if the user's step, on one process, makes U itself. An "
    "example is decisive when every rank, moving by its own rows alone, would end elsewhere; of ranks that have the "
    "same rows (layouts=), when what each of them holds would move.",
    refuted_by=(
        "ranks-sum-for-the-mean",
        "ranks-reduce-nothing",
        "ranks-leave-one-parameter-out",
        "ranks-wrap-all-but-the-last-layer",
        "ranks-step-before-reducing",
        "ranks-divide-twice",
        "ranks-reduce-to-one-rank",
        "ranks-reduce-a-copy",
        "ranks-average-within-a-node",
        "ranks-skip-alone",
        "ranks-train-on-the-first-rows",
        "ranks-reduce-the-loss",
        "ranks-shard-within-nodes",
        "ranks-forget-ignored-parameters",
        "ranks-average-the-weights",
        "ranks-pad-by-repeating-rows",
        "ranks-drop-the-last-rows",
        "ranks-add-one-gradient",
        "ranks-gather-without-a-factor",
        "ranks-scale-a-local-mean",
        "ranks-leave-partial-sums",
        "ranks-add-the-bias-on-every-rank",
        "ranks-forget-the-backward-sum",
        "ranks-average-different-shards",
        "ranks-step-before-the-last-micro-batch",
        "ranks-add-micro-batches",
    ),
)
def equals_single(story: Story) -> Evidence:
    wrong = ranks_story.first_wrong(story)
    if wrong is not None:
        return wrong.evidence(())
    return combine(ranks_story.Compared(step).evidence(ranks_story.each_rank_alone(step)) for step in story.steps)
