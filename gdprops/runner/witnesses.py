"""What the examples after a violation show of its clause: an explanation must hold in all that fail."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, final

if TYPE_CHECKING:
    from gdprops.model.evidence import Evidence

FOLLOWING = 20
"""How many examples are examined after a violation, in the same search, to see what else is wrong or right."""
KEPT_FAILING = 20
"""How many failing cases are kept of all that follow."""


@final
@dataclass(slots=True)
class Witnesses:
    """Further failing cases, and how many cases were looked at.

    ``elsewise``: in how many of them the subject is wrong in a way that another clause is about.
    """

    failing: list[Any] = field(default_factory=list)
    looked_at: int = 0
    elsewise: int = 0

    def add(self, case: Any, evidence: Evidence) -> None:
        """Add what one further case shows."""
        self.looked_at += 1
        self.elsewise += evidence.elsewise
        if evidence.violated and len(self.failing) < KEPT_FAILING:
            self.failing.append(case)
