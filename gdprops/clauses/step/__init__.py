"""Chapter step: one step moves all parameters at once, from gradients that were all taken at the same weights.

`simultaneous_update` says where one step ends, `moving_parameters` which parameters move in it, and `loss_descent` what
a step does to the loss. The other files say what holds where the user's code owns the loop. CLAUSES has the order of
the specification.
"""

from __future__ import annotations

from gdprops.clauses.step import (
    accumulation,
    clipping,
    complete_as_declared,
    handed_over_model,
    loss_descent,
    one_update,
    phases,
    simultaneous_update,
    targets,
    update_in_backward,
)

LOOPS = (
    *(one_update, clipping, accumulation, update_in_backward, handed_over_model, complete_as_declared),
    *(phases, targets),
)
CLAUSES = (*simultaneous_update.CLAUSES, *(clause for part in LOOPS for clause in part.CLAUSES), *loss_descent.CLAUSES)
IMPLEMENTATIONS = {clause_id: found for part in LOOPS for clause_id, found in part.IMPLEMENTATIONS.items()}
"""By clause id, how the clauses about the user's own loop are decided on training steps."""
