"""A parameter that only some ranks reach moves by the whole gradient; one that none reaches rests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gdprops.clauses.support.lazy import lazy
from gdprops.clauses.support.ranks_clause import ranks_clause, reached_by_some

if TYPE_CHECKING:
    from gdprops.clauses.support import ranks_unused
    from gdprops.model.evidence import Evidence
    from gdprops.subjects.distributed_step.observed import Story
else:
    ranks_unused = lazy("gdprops.clauses.support.ranks_unused")


def _not_supported(subject: Any) -> str | None:
    if subject.declaration.layouts is not None:
        return "layouts= are declared: ranks with the same rows reach the same parameters"
    if subject.domain.own_rows:
        return "the user's own model reaches what it reaches: only drawn networks have such a parameter"
    told = subject.declaration.habits.unused
    return f"where only some ranks reach a parameter, {told}" if told else None


@ranks_clause(
    id="distributed.unused",
    statement="A parameter that only some ranks reach moves by the whole gradient on every rank; one that none reaches "
    "rests.",
    source=(
        "pytorch/pytorch#128949: ranks drift apart where some do not use a parameter. "
        "NVIDIA/Megatron-LM#7160: gradients "
        "of experts, divided by the wrong number of ranks."
    ),
    decision="A parameter is added to the inputs of the rows whose first one is positive; these are the rows of some "
    "ranks, or in one of four examples of none. What every rank holds is compared with one process on the whole batch, "
    "within 16 noise floors. Where no rank reaches the parameter, a gradient of zeros is as right as none. A violation "
    "is told only if the same step is right where the rows of all ranks reach it. Not applicable where ranks raise or "
    "wait for ever in such a case, as those of FSDP2 do: one trial sees that. An example is decisive when the "
    "parameter would end elsewhere if only the ranks that reach it counted, or moved it.",
    refuted_by=("ranks-average-over-those-that-reach", "ranks-move-only-where-reached"),
    unmet=_not_supported,
    cases=reached_by_some,
)
def unused(story: Story) -> Evidence:
    return ranks_unused.moves_by_the_whole_gradient(story)
