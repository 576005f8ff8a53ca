"""Parameters that several ranks hold are the same on all of them, to the byte."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gdprops.clauses.support.lazy import lazy
from gdprops.clauses.support.ranks_clause import LOST, ranks_clause
from gdprops.model.evidence import agreement, vacuous

if TYPE_CHECKING:
    from gdprops.clauses.support import ranks_replicas
    from gdprops.model.evidence import Evidence
    from gdprops.subjects.distributed_step.observed import Story
else:
    ranks_replicas = lazy("gdprops.clauses.support.ranks_replicas")

SHARDED = "no parameter is held by several ranks"


def _all_sharded(subject: Any) -> str | None:
    layout = subject.declaration.habits.layout
    shared = ("replicated", "on ranks")
    return SHARDED if layout and not any(word in how for how in layout.values() for word in shared) else None


@ranks_clause(
    id="distributed.replicas",
    statement="From equal starts, what several ranks hold of a parameter is byte for byte the same after every step.",
    source="kohya-ss/sd-scripts#924, OpenTSLM/OpenTSLM#49: each rank trains a model of its own, and nothing says so.",
    decision="After every step the entries of each parameter that two ranks hold are compared byte by byte. An "
    "example is decisive when the gradients of the ranks' own rows differ; with the same rows, when what several ranks "
    "hold would move.",
    refuted_by=(
        "ranks-reduce-nothing",
        "ranks-leave-one-parameter-out",
        "ranks-step-before-reducing",
        "ranks-step-on-one-rank-only",
        "ranks-hold-another-order",
        "ranks-leave-replicas-behind",
        "ranks-reduce-the-loss",
    ),
    unmet=_all_sharded,
    compares=False,
)
def replicas(story: Story) -> Evidence:
    if story.is_lost:
        return vacuous(LOST)
    if not story.steps:
        return vacuous(story.unknown)
    found = ranks_replicas.first_difference(story)
    if found is not None:
        return found
    if not ranks_replicas.are_there(story):
        return vacuous(SHARDED)
    if not any(map(ranks_replicas.ranks_have_other_gradients, story.steps)):
        return vacuous("the gradients of all ranks' own rows are the same")
    return agreement()
