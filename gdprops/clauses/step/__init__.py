"""Chapter step: one step moves all parameters at once, from gradients that were all taken at the same weights.

`update` says where one step ends, `moving_parameters` which parameters move in it, `training_loop` what holds where the
user's code owns the loop, and `loss_descent` what a step does to the loss. CLAUSES has the order of the specification.
"""

from __future__ import annotations

from gdprops.clauses.step import loss_descent, training_loop, update

CLAUSES = (*update.CLAUSES, *training_loop.CLAUSES, *loss_descent.CLAUSES)
IMPLEMENTATIONS = training_loop.IMPLEMENTATIONS
"""By clause id, how the clauses of `training_loop` are decided on training steps."""
