"""The random numbers of the forward pass differ from rank to rank."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gdprops.clauses.support.lazy import lazy
from gdprops.clauses.support.ranks_clause import LOST, ranks_clause
from gdprops.model.evidence import vacuous
from gdprops.model.level import Level
from gdprops.model.rank_mesh import PIPELINE

if TYPE_CHECKING:
    from gdprops.clauses.support import ranks_witness
    from gdprops.model.evidence import Evidence
    from gdprops.subjects.distributed_step.observed import Story
else:
    ranks_witness = lazy("gdprops.clauses.support.ranks_witness")


def _without_witness(subject: Any) -> str | None:
    if PIPELINE in (subject.declaration.layouts or {}):
        return "the stages of a pipeline draw for other layers"
    return "only drawn networks have a module that tells what it draws" if subject.domain.own_rows else None


@ranks_clause(
    id="distributed.random",
    statement="Ranks with different rows draw different random numbers in the forward pass: a dropout drops other "
    "units on each. Ranks that share a layer of the same rows draw the same ones.",
    source=(
        "huggingface/transformers#31412: one seed on all ranks, one mask for all of them. facebookresearch/fastMRI#123."
    ),
    decision="gdprops seeds the random numbers of ranks with different rows differently before it calls build, and "
    "those of ranks with the same rows alike. The networks have a module before their first layer that draws 64 bits "
    "from torch's random numbers in every forward pass; these bits are compared between "
    "ranks. An example is decisive when any are drawn in training mode on two ranks.",
    refuted_by=("ranks-seed-all-alike", "ranks-seed-every-step-alike", "ranks-seed-by-rank"),
    level=Level.RECOMMENDED,
    unmet=_without_witness,
    compares=False,
)
def random(story: Story) -> Evidence:
    return vacuous(LOST) if story.is_lost else ranks_witness.other_random_numbers(story)
