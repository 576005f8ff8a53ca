"""The specification: one chapter per file."""

from __future__ import annotations

from dataclasses import replace

from gdprops.clauses import backprop, descent, gradient, optimizer, sequential, step, training
from gdprops.model.catalogue import Catalogue

CHAPTERS = (gradient, step, descent, sequential, optimizer)


def catalogue() -> Catalogue:
    """Return every clause, in the order of the specification."""
    clauses = (clause for chapter in CHAPTERS for clause in chapter.CLAUSES)
    return Catalogue(
        replace(clause, trained=training.FACES.get(clause.id), written=backprop.FACES.get(clause.id))
        for clause in clauses
    )
