"""Chapter step: moving in all dimensions at once.

The order of this tuple is the order of the specification.
"""

from __future__ import annotations

from gdprops.clauses.step import handed_over_model, loss_descent, training_loop, update

CLAUSES = (*update.CLAUSES, *training_loop.CLAUSES, *handed_over_model.CLAUSES, *loss_descent.CLAUSES)
IMPLEMENTATIONS = {**training_loop.IMPLEMENTATIONS, **handed_over_model.IMPLEMENTATIONS}
"""How the clauses that are only about training loops are decided on training steps."""
