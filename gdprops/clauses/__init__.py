"""The specification: one chapter per file."""

from __future__ import annotations

from dataclasses import replace

from gdprops.clauses import backprop, descent, gradient, looping, optimizer, sequential, step, training
from gdprops.model.catalogue import Catalogue

CHAPTERS = (gradient, step, looping, descent, sequential, optimizer)
TRAINED = {**training.FACES, **looping.FACES}


def catalogue() -> Catalogue:
    """Return every clause, in the order of the specification."""
    clauses = (clause for chapter in CHAPTERS for clause in chapter.CLAUSES)
    return Catalogue(
        replace(clause, trained=TRAINED.get(clause.id), written=backprop.FACES.get(clause.id)) for clause in clauses
    )
