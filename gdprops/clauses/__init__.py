"""The specification: one chapter per file or folder."""

from __future__ import annotations

from dataclasses import replace

from gdprops.clauses import gradient, optimizer, published, sequential, step
from gdprops.clauses.implementations import backprop, training_step
from gdprops.clauses.step import training_loop
from gdprops.model.catalogue import Catalogue
from gdprops.model.clause import Clause

CHAPTERS = (gradient, step, sequential, optimizer, published)
TRAINED = {**training_step.FACES, **training_loop.FACES}


def catalogue() -> Catalogue:
    """Return every clause, in the order of the specification."""
    return Catalogue(_faced(clause) for chapter in CHAPTERS for clause in chapter.CLAUSES)


def _faced(clause: Clause) -> Clause:
    written = backprop.FACES.get(clause.id)
    refuted_by = clause.refuted_by if written is None else (*clause.refuted_by, *written.refuted_by)
    return replace(clause, trained=TRAINED.get(clause.id), written=written, refuted_by=refuted_by)
