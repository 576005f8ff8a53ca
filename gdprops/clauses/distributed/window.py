"""Micro-batches and ranks together give the gradient of the whole window."""

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


def _without_window(subject: Any) -> str | None:
    return None if subject.declaration.training.accumulate > 1 else "no accumulate= is declared"


@ranks_clause(
    id="distributed.window",
    statement="Micro-batches and ranks together give the gradient of the whole window.",
    source=(
        "modelscope/FunASR#3472: no_sync around the last micro-batch leaves the window unreduced. "
        "karpathy/build-nanogpt#30."
    ),
    decision="A wrong step is a violation of this clause when leaving out micro-batches, on one rank or on all, or "
    "adding where a mean was meant reproduces it on every rank. An example is decisive when all of these can be told "
    "from what is expected.",
    refuted_by=("ranks-reduce-the-last-micro-batch", "ranks-never-reduce-the-window"),
    unmet=_without_window,
)
def window(story: Story) -> Evidence:
    return ranks_rivals.judged(story, ranks_rivals.unreduced_windows)
