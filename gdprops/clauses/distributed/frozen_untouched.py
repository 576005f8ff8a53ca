"""Frozen parameters rest on every rank."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gdprops.clauses.support.lazy import lazy
from gdprops.clauses.support.ranks_clause import ranks_clause
from gdprops.model.evidence import combine, vacuous

if TYPE_CHECKING:
    from gdprops.clauses.support import ranks_story
    from gdprops.model.evidence import Evidence
    from gdprops.subjects.distributed_step.observed import Story
else:
    ranks_story = lazy("gdprops.clauses.support.ranks_story")


def _without_frozen(subject: Any) -> str | None:
    return None if subject.declaration.habits.freezes else "the user's own model has no frozen parameter"


@ranks_clause(
    id="distributed.frozen-untouched",
    statement="Frozen parameters rest on every rank, sharded ones too.",
    source="pytorch/pytorch#171709: parallelize_module makes frozen parameters trainable.",
    decision="What each rank holds of a frozen parameter is compared byte by byte with what it was. An example is "
    "decisive when the gradient of the frozen parameter would not be zero.",
    refuted_by=("ranks-move-what-is-frozen",),
    unmet=_without_frozen,
)
def frozen_untouched(story: Story) -> Evidence:
    return combine(map(ranks_story.frozen_evidence, story.steps)) if story.steps else vacuous(story.unknown)
