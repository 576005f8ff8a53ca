"""Further examples of a violation: an explanation must hold in many failing ones, and others may be right.

They are those that the same search draws after the violation. Where few of them fail, more are drawn.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gdprops.model.evidence import Evidence, agreement
from gdprops.runner.search import judged, search
from gdprops.runner.witnesses import FOLLOWING, Witnesses

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

ENOUGH_FAILING = 10
"""Where fewer of those after a violation fail, further ones are drawn to explain it."""
WITNESSES = 40
"""How many are then drawn."""


def following(
    examine: Callable[[Any], Evidence],
    cases: SearchStrategy[Any],
    *,
    examples: int,
    seed: int,
    after: int,
) -> Witnesses:
    """Examine the `FOLLOWING` examples that the search of this seed draws after its first ``after`` ones."""
    found, drawn = Witnesses(), 0

    def seen(case: Any) -> Evidence:
        nonlocal drawn
        drawn += 1
        if drawn > after:
            found.add(case, judged(examine, case))
        return agreement()

    search(seen, cases, examples=min(examples, after + FOLLOWING), seed=seed, shrink=False)
    return found


def witnesses(examine: Callable[[Any], Evidence], cases: SearchStrategy[Any], found: Witnesses) -> Witnesses:
    """Add further cases to what was found, where few of those fail; nothing is shrunk."""
    if len(found.failing) < ENOUGH_FAILING:

        def seen(case: Any) -> Evidence:
            found.add(case, judged(examine, case))
            return agreement()

        search(seen, cases, examples=WITNESSES, seed=0, shrink=False)
    return found
