"""Chapter distributed: on several processes one logical step is one simultaneous step, whatever the sharding.

Gradients are taken at the same weights on every rank, put together once, and all parameters move at once, as one
process on the whole batch would move them. One clause a file; `support/ranks_clause.py` says how they are declared.
"""

from __future__ import annotations

from gdprops.clauses.distributed.buffers import buffers
from gdprops.clauses.distributed.clipping import clipping
from gdprops.clauses.distributed.collectives import collectives
from gdprops.clauses.distributed.equals_single import equals_single
from gdprops.clauses.distributed.frozen_untouched import frozen_untouched
from gdprops.clauses.distributed.ragged import ragged
from gdprops.clauses.distributed.random import random
from gdprops.clauses.distributed.replicas import replicas
from gdprops.clauses.distributed.resume import resume
from gdprops.clauses.distributed.sharded_state import sharded_state
from gdprops.clauses.distributed.unused import unused
from gdprops.clauses.distributed.window import window
from gdprops.subjects.distributed_step import NAME

CLAUSES = (
    equals_single,
    replicas,
    window,
    clipping,
    unused,
    frozen_untouched,
    sharded_state,
    buffers,
    random,
    collectives,
    ragged,
    resume,
)
IMPLEMENTATIONS = {one.id: one.implementations[NAME] for one in CLAUSES}
