"""Every rank of a process group issues the same collectives, in the same order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdprops.clauses.support.lazy import lazy
from gdprops.clauses.support.ranks_clause import ranks_clause

if TYPE_CHECKING:
    from gdprops.clauses.support import ranks_collectives
    from gdprops.model.evidence import Evidence
    from gdprops.subjects.distributed_step.observed import Story
else:
    ranks_collectives = lazy("gdprops.clauses.support.ranks_collectives")


@ranks_clause(
    id="distributed.collectives",
    statement="Within each process group every rank issues the same collectives in the same order. What one rank sends "
    "another one receives.",
    source=(
        "netket/netket#2272: a reduction for the log of rank 0. Collectives of equal size that do not "
        "match pair silently."
    ),
    decision="The collectives of each rank are counted, and the newest 64 compared by name and size, as torch's flight "
    "recorder has them; sends and receives are counted for each pair of ranks. Ranks that sleep inside torch while no "
    "other one runs wait for ever; that is tried twice, in new processes. A rank that gloo ends because it was sent "
    "the numbers of another collective is a violation too. An example is decisive when any collective is issued, or "
    "anything sent.",
    refuted_by=("ranks-reduce-on-one-rank-more", "ranks-send-what-nobody-takes", "ranks-wait-for-ever"),
    compares=False,
)
def collectives(story: Story) -> Evidence:
    return ranks_collectives.same_collectives(story)
