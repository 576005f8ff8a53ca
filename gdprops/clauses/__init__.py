"""The specification: one chapter per file."""

from __future__ import annotations

from dataclasses import replace

from gdprops.clauses import backprop, descent, gradient, looping, optimizer, published, sequential, step, training
from gdprops.model.catalogue import Catalogue
from gdprops.model.clause import Clause

CHAPTERS = (gradient, step, looping, descent, sequential, optimizer, published)
TRAINED = {**training.FACES, **looping.FACES}


def catalogue() -> Catalogue:
    """Return every clause, in the order of the specification."""
    return Catalogue(_faced(clause) for chapter in CHAPTERS for clause in chapter.CLAUSES)


def _faced(clause: Clause) -> Clause:
    written = backprop.FACES.get(clause.id)
    refuted_by = clause.refuted_by if written is None else (*clause.refuted_by, *written.refuted_by)
    return replace(clause, trained=TRAINED.get(clause.id), written=written, refuted_by=refuted_by)
