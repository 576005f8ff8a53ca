"""What a training loop may contain: how many steps and rows, which losses, which networks.

A clause states its needs as a `Loop`; `training_loops.py` draws cases accordingly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from gdprops.strategies.values import Deck

SELDOM_ONE_IN = 5
"""One loop in so many has the number of steps that is seldom."""


@final
@dataclass(frozen=True, slots=True)
class Loop:
    """What a training loop may contain.

    ``longest``: some loops repeat their batches, up to so many steps. ``regression``: only losses that grow with the
    targets. ``tie``: the second layer always shares the first one's weight. ``double``: only the widest dtype that the
    subject takes. ``extras``: ties, residuals, scales, unused and frozen tensors may occur.
    ``moderate``: the loss starts at 100 or less, where no loop of the user's overflows. ``seldom``: one loop in five
    over an architecture or the user's own model has so many steps.
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
    seldom: int = 0

    def steps(self, deck: Deck) -> int:
        """Return how many steps a loop of an architecture or of the user's own model has."""
        some = self.least_steps + deck.choose(self.most_steps - self.least_steps + 1)
        return self.seldom if self.seldom and deck.last(3).happens(SELDOM_ONE_IN) else some

    @property
    def plain(self) -> bool:
        """Whether networks of any architecture will do, not only deep, tied or frozen stacks of linear layers."""
        return self.least_depth <= 2 and not (self.tie or self.regression or self.frozen)
