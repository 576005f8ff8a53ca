"""A training that ranks have saved goes on, on as many ranks or on others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gdprops.clauses.support.lazy import lazy
from gdprops.clauses.support.ranks_clause import ranks_clause, saved_in_between

if TYPE_CHECKING:
    from gdprops.clauses.support import ranks_resume
    from gdprops.model.evidence import Evidence
    from gdprops.subjects.distributed_step.observed import Story
else:
    ranks_resume = lazy("gdprops.clauses.support.ranks_resume")


def _without_saving(subject: Any) -> str | None:
    return None if subject.domain.loads_on else "build returns no save(path) and load(path)"


@ranks_clause(
    id="distributed.resume",
    statement="A training that was saved on some ranks goes on, loaded on one, as many or twice as many ranks.",
    source=(
        "KempnerInstitute/KempnerForge#115: resumed ranks lose their moments, and only these. "
        "ServiceNow/Fast-LLM#436: the optimizer's state is "
        "not loaded where the number of ranks changes."
    ),
    decision="The smallest world saves after 1 or 2 steps; a fresh build loads that on one rank, as many or twice as "
    "many, and goes on with the next batches. Every later step is compared with that of one process that was never "
    "interrupted, at the hyperparameters of the ranks that have saved and gone on. A violation is told only if "
    "the loading ranks make these steps where nothing is saved and loaded. Loading on another number of ranks may "
    "raise an exception: that is told, and not examined. An example is decisive when a training that begins anew would "
    "end elsewhere, and one with an empty state of the optimizer where it has any.",
    refuted_by=(
        "ranks-save-no-momentum",
        "ranks-load-momentum-on-one-rank",
        "ranks-load-momentum-on-as-many-only",
    ),
    unmet=_without_saving,
    cases=saved_in_between,
)
def resume(story: Story) -> Evidence:
    return ranks_resume.goes_on(story)
