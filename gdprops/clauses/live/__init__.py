"""Chapter live: what a watched run of somebody's training script keeps, whatever its arithmetic.

One clause a file: a pure function from the story of a ledger to what it finds wrong. Nothing here imports torch.
"""

from __future__ import annotations

from gdprops.clauses.live.accumulation import accumulation
from gdprops.clauses.live.clipping import clipping
from gdprops.clauses.live.complete import complete
from gdprops.clauses.live.fresh_gradient import fresh_gradient
from gdprops.clauses.live.frozen_weights import frozen_weights
from gdprops.clauses.live.mode import mode
from gdprops.clauses.live.moves import moves
from gdprops.clauses.live.once import once
from gdprops.clauses.live.owner import owner
from gdprops.clauses.live.replicas import replicas
from gdprops.clauses.live.rule import rule
from gdprops.clauses.live.scale import scale
from gdprops.clauses.live.schedule import schedule
from gdprops.clauses.live.state import state
from gdprops.clauses.live.together import together
from gdprops.clauses.live.unused_gradient import unused_gradient
from gdprops.clauses.live.window import window

CLAUSES = (
    frozen_weights,
    fresh_gradient,
    unused_gradient,
    complete,
    moves,
    once,
    together,
    clipping,
    scale,
    accumulation,
    window,
    schedule,
    mode,
    state,
    owner,
    rule,
    replicas,
)
