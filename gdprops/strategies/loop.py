"""What a training loop may contain: how many steps and rows, which losses, which networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final


@final
@dataclass(frozen=True, slots=True)
class Loop:
    """What a training loop may contain.

    ``longest``: some loops go over their batches again, up to so many steps; ``regression``: only losses that grow
    with the targets; ``moderate``: the loss starts where no loop of the user's overflows, at 100 or less.
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
    moderate: bool = False

    @property
    def plain(self) -> bool:
        """Whether networks of any kind will do."""
        return self.least_depth <= 2 and not (self.tie or self.regression or self.frozen)
