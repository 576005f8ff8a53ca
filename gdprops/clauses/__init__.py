"""The specification: one chapter per file."""

from __future__ import annotations

from gdprops.clauses import gradient, optimizer, sequential, step
from gdprops.model.catalogue import Catalogue

CHAPTERS = (gradient, step, sequential, optimizer)


def catalogue() -> Catalogue:
    """Return every clause, in the order of the specification."""
    return Catalogue(clause for chapter in CHAPTERS for clause in chapter.CLAUSES)
