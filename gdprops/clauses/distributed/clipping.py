"""The norm that is clipped to is that of the whole gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gdprops.clauses.support.lazy import lazy
from gdprops.clauses.support.ranks_clause import ranks_clause

if TYPE_CHECKING:
    from gdprops.clauses.support import ranks_rivals
    from gdprops.model.evidence import Evidence
    from gdprops.subjects.distributed_step.observed import Story
else:
    ranks_rivals = lazy("gdprops.clauses.support.ranks_rivals")


def _without_clipping(subject: Any) -> str | None:
    return None if subject.declaration.training.clip_norm is not None else "no clip_norm= is declared"


@ranks_clause(
    id="distributed.clipping",
    statement="The norm is that of the whole gradient: every parameter counts once, however it lies on the ranks.",
    source=(
        "areal-project/AReaL#312, sgl-project/SpecForge#663: the norm of a shard. pytorch/pytorch#88955: "
        "replicas counted once per rank."
    ),
    decision="A wrong step is a violation of this clause when another norm reproduces it on every rank: each rank's "
    "own, that of its shards, one in which every rank counts again, or none. An example is decisive when the clip "
    "bites, and each of these norms would end elsewhere.",
    refuted_by=(
        "ranks-clip-before-reducing",
        "ranks-clip-by-the-shard",
        "ranks-clip-by-the-largest-shard",
        "ranks-count-the-norm-once-per-rank",
        "ranks-count-replicated-shards",
    ),
    unmet=_without_clipping,
)
def clipping(story: Story) -> Evidence:
    return ranks_rivals.judged(story, ranks_rivals.other_norms)
