"""Chapter clock: the numbers that change from update to update, and what goes on from one update to the next.

`schedule` says which learning rates belong to each update, `average` how an averaged copy of the model follows it, and
`resume` that a training which was saved goes on as if it had not been interrupted.
"""

from __future__ import annotations

from gdprops.clauses.clock import average, resume, schedule

PARTS = (schedule, average, resume)
CLAUSES = tuple(clause for part in PARTS for clause in part.CLAUSES)
IMPLEMENTATIONS = {clause_id: found for part in PARTS for clause_id, found in part.IMPLEMENTATIONS.items()}
"""By clause id, how the chapter is decided on training steps."""
