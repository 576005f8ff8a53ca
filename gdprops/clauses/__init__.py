"""The specification: one chapter per file or folder.

A chapter declares its clauses as data, each with a check. `implementations` holds other checks of the same clauses,
for kinds of subjects that are not fed gradients (training steps, hand-written backprop). `support` holds the code that
several checks share. `catalogue()` puts all of this together: importing a chapter registers nothing.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from gdprops.clauses import clock, distributed, gradient, live, optimizer, published, sequential, step
from gdprops.clauses.implementations import backprop, training_step
from gdprops.model.catalogue import Catalogue
from gdprops.model.clause import Clause
from gdprops.subjects.backprop import NAME as BACKPROP
from gdprops.subjects.distributed_step import NAME as DISTRIBUTED_STEP
from gdprops.subjects.training_step import NAME as TRAINING_STEP

CHAPTERS = (gradient, step, sequential, optimizer, published, clock, distributed, live)
IMPLEMENTATIONS = {
    TRAINING_STEP: {**training_step.IMPLEMENTATIONS, **step.IMPLEMENTATIONS, **clock.IMPLEMENTATIONS},
    DISTRIBUTED_STEP: distributed.IMPLEMENTATIONS,
    BACKPROP: backprop.IMPLEMENTATIONS,
}
"""By kind of subject and clause id, how a clause is decided on subjects that are not fed gradients."""
COMMON_DECISIONS = {"published": published.COMMON_DECISION}
"""By chapter, how all of its clauses are decided. The decision of each clause adds what is special to it."""


@cache
def catalogue() -> Catalogue:
    """Return every clause, in the order of the specification. It is put together once, and never changes."""
    return Catalogue(_implemented(clause) for chapter in CHAPTERS for clause in chapter.CLAUSES)


def _implemented(clause: Clause) -> Clause:
    found = {kind: by_clause[clause.id] for kind, by_clause in IMPLEMENTATIONS.items() if clause.id in by_clause}
    refuted_by = (*clause.refuted_by, *(name for one in found.values() for name in one.refuted_by))
    return replace(clause, implementations=found, refuted_by=refuted_by)
