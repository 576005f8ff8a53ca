"""Buffers are the same on all ranks when the next forward pass begins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gdprops.clauses.support.lazy import lazy
from gdprops.clauses.support.ranks_clause import LOST, ranks_clause
from gdprops.model.evidence import vacuous
from gdprops.model.level import Level

if TYPE_CHECKING:
    from gdprops.clauses.support import ranks_witness
    from gdprops.model.evidence import Evidence
    from gdprops.subjects.distributed_step.observed import Story
else:
    ranks_witness = lazy("gdprops.clauses.support.ranks_witness")


def _leaves_buffers_alone(subject: Any) -> str | None:
    if subject.declaration.habits.shares_buffers:
        return None
    if subject.domain.own_rows:
        return "the model has no buffers that change"
    return "each rank keeps its own buffers, and the drawn networks have none that matter"


@ranks_clause(
    id="distributed.buffers",
    statement="Buffers, such as the statistics of a batch normalization, are the same on every rank when the next "
    "forward pass begins.",
    source=(
        "facebookresearch/ClassyVision#304, huggingface/pytorch-image-models#110: each rank evaluates "
        "with statistics of its own, and only those "
        "of rank 0 are saved."
    ),
    decision="Drawn networks have a module that keeps statistics of its inputs in buffers, a float one and an integer "
    "one; models= may have a batch normalization. What each rank finds in them when the first forward pass of a step "
    "begins is compared byte by byte: DistributedDataParallel synchronizes buffers only there. Not applicable to drawn "
    "networks where a trial sees that each rank keeps its own buffers. An example is decisive when they have changed "
    "by then.",
    refuted_by=("ranks-synchronize-floats-only", "ranks-never-share-statistics"),
    level=Level.RECOMMENDED,
    unmet=_leaves_buffers_alone,
    compares=False,
)
def buffers(story: Story) -> Evidence:
    return vacuous(LOST) if story.is_lost else ranks_witness.same_buffers(story)
