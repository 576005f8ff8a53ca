"""Chapter optimizer: what an optimizer object promises, whatever its rule is. One file for each promise's subject.

The order of this tuple is the order of the specification.
"""

from __future__ import annotations

from gdprops.clauses.optimizer import (
    closures_and_maximize,
    first_steps,
    hyperparameters,
    memory,
    missing_gradient,
    order_and_groups,
    resuming,
    tensor_forms,
)

CLAUSES = (
    *order_and_groups.CLAUSES,
    *resuming.CLAUSES,
    *missing_gradient.CLAUSES,
    *closures_and_maximize.CLAUSES,
    *tensor_forms.CLAUSES,
    *memory.CLAUSES,
    *hyperparameters.CLAUSES,
    *first_steps.CLAUSES,
)
