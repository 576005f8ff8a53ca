"""Chapter step: moving in all dimensions at once.

The order of this tuple is the order of the specification.
"""

from __future__ import annotations

from gdprops.clauses.step import loss_descent, training_loop, update

CLAUSES = (*update.CLAUSES, *training_loop.CLAUSES, *loss_descent.CLAUSES)
