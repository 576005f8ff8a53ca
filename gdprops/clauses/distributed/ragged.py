"""Ranks with different numbers of rows weigh by their rows."""

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


def _with_equal_parts(subject: Any) -> str | None:
    return None if subject.domain.ragged else "all ranks have equally many rows: no parts='ragged' is declared"


@ranks_clause(
    id="distributed.ragged",
    statement="Ranks with different numbers of rows weigh by their rows.",
    source=(
        "facebookresearch/fairchem#269, huggingface/transformers#34242: the mean of the ranks' means is "
        "not the mean over all rows."
    ),
    decision="Of every batch ranks have different numbers of rows. A wrong step is a violation of this clause when the "
    "mean of the ranks' means reproduces it. An example is decisive when that ends elsewhere.",
    refuted_by=("ranks-mean-of-means",),
    unmet=_with_equal_parts,
)
def ragged(story: Story) -> Evidence:
    return ranks_rivals.judged(story, ranks_rivals.mean_of_means)
