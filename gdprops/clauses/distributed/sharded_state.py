"""An optimizer's state goes on from step to step, wherever its parts lie."""

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


def _without_state(subject: Any) -> str | None:
    return None if subject.declaration.habits.keeps_state else "the update depends on no earlier step"


@ranks_clause(
    id="distributed.sharded-state",
    statement="Momentum and moments that lie on several ranks go on as those of one process do.",
    source="Where each rank keeps the state of some parameters only, the state must stay with its parameter's owner.",
    decision="A step after the first one is a violation of this clause when the step before it was right and, on any "
    "rank, an optimizer without any state reproduces it. An example is decisive when that would end elsewhere.",
    refuted_by=("ranks-forget-their-momentum",),
    unmet=_without_state,
)
def sharded_state(story: Story) -> Evidence:
    return ranks_rivals.judged(story, ranks_rivals.stateless, after_the_first=True)
