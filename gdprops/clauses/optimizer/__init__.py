"""Chapter optimizer: what an optimizer object promises, whatever its update rule is.

Most clauses run the same optimizer twice, on inputs that may not make a difference (another order of the parameters, an
interruption, a strided tensor), and compare the weights after every step. There is one file for each topic. CLAUSES has
the order of the specification.
"""

from __future__ import annotations

from gdprops.clauses.optimizer import (
    complex_parameters,
    first_steps,
    hyperparameters,
    locality_maximize_closure,
    memory,
    missing_gradient,
    order_and_groups,
    resuming,
    sparse_gradients,
    tensor_forms,
)

CLAUSES = (
    *order_and_groups.CLAUSES,
    *resuming.CLAUSES,
    *missing_gradient.CLAUSES,
    *locality_maximize_closure.CLAUSES,
    *tensor_forms.CLAUSES,
    *complex_parameters.CLAUSES,
    *sparse_gradients.CLAUSES,
    *memory.CLAUSES,
    *hyperparameters.CLAUSES,
    *first_steps.CLAUSES,
)
