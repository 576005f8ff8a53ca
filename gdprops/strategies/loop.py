"""What a training loop may contain: how many steps and rows, which losses, which networks.

A clause states its needs as a `Loop`; `training_loops.py` draws cases accordingly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final


@final
@dataclass(frozen=True, slots=True)
class Loop:
    """What a training loop may contain.

    ``longest``: some loops repeat their batches, up to so many steps. ``regression``: only losses that grow with the
    targets. ``tie``: the second layer always shares the first one's weight. ``double``: only the widest dtype that the
    subject takes. ``extras``: ties, residuals, scales, unused and frozen tensors may occur.
    """

    least_steps: int = 2
    most_steps: int = 4
    least_depth: int = 2
    options: bool = False
    groups: bool = True
    own_rate: bool = True
    same_batch: bool = False
    frozen: bool | None = None
    double: bool = False
    longest: int = 0
    least_rows: int = 1
    tie: bool = False
    regression: bool = False
    extras: bool = True

    @property
    def plain(self) -> bool:
        """Whether networks of any architecture will do, not only deep, tied or frozen stacks of linear layers."""
        return self.least_depth <= 2 and not (self.tie or self.regression or self.frozen)
