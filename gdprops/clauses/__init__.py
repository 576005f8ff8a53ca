"""The specification: one chapter per file or folder.

Beside the chapters stand `implementations`, how clauses are decided on subjects that are not fed gradients, and
`support`, what checks share. `catalogue()` puts them together; nothing is registered by importing it.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from gdprops.clauses import gradient, optimizer, published, sequential, step
from gdprops.clauses.implementations import backprop, training_step
from gdprops.model.catalogue import Catalogue
from gdprops.model.clause import Clause
from gdprops.subjects.backprop import NAME as BACKPROP
from gdprops.subjects.training_step import NAME as TRAINING_STEP

CHAPTERS = (gradient, step, sequential, optimizer, published)
IMPLEMENTATIONS = {
    TRAINING_STEP: {**training_step.IMPLEMENTATIONS, **step.IMPLEMENTATIONS},
    BACKPROP: backprop.IMPLEMENTATIONS,
}
"""By kind of subject and clause id."""


@cache
def catalogue() -> Catalogue:
    """Return every clause, in the order of the specification. It is put together once, and never changes."""
    return Catalogue(_implemented(clause) for chapter in CHAPTERS for clause in chapter.CLAUSES)


def _implemented(clause: Clause) -> Clause:
    found = {kind: by_clause[clause.id] for kind, by_clause in IMPLEMENTATIONS.items() if clause.id in by_clause}
    refuted_by = (*clause.refuted_by, *(name for one in found.values() for name in one.refuted_by))
    return replace(clause, implementations=found, refuted_by=refuted_by)
