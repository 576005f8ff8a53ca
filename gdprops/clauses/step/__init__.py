"""Chapter step: moving in all dimensions at once.

The order of this tuple is the order of the specification.
"""

from __future__ import annotations

from gdprops.clauses.step import loss_descent, training_loop, update

CLAUSES = (*update.CLAUSES, *training_loop.CLAUSES, *loss_descent.CLAUSES)
IMPLEMENTATIONS = training_loop.IMPLEMENTATIONS
"""How the clauses that are only about training loops are decided on training steps."""
