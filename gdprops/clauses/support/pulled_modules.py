"""Modules that are trained and, between their steps, pulled towards another module which itself never moves.

The target network of a learner follows it. With both exchanged, the learner is pulled to a target that stays as it was
made.
"""

from __future__ import annotations

from typing import NamedTuple

from gdprops.clauses.support.provenance import Step, Story
from gdprops.model.ledger import Forward, Pulled


class Pull(NamedTuple):
    """A pull to weights to which there was one before: the step before it, and the forward pass after it."""

    pulled: Pulled
    step: Step
    after: Forward


def pulled_back(read: Story) -> list[Pull]:
    """Return the modules that are pulled to another one that stays where it is.

    Where they are put there altogether, this may be a new beginning: it counts where the optimizer goes on with what it
    remembers.
    """
    found: dict[tuple[int, str], Pull] = {}
    for at, event in enumerate(read.ledger.events):
        if isinstance(event, Pulled) and event.still and (one := _between(read, at, event)) is not None:
            found.setdefault((event.module, event.towards), one)
    return list(found.values())


def _between(read: Story, at: int, event: Pulled) -> Pull | None:
    held = {p for p, one in read.ledger.parameters.items() if one.module == event.module}
    steps = [step for step in read.steps if step.ends is not None and step.ends.moved & held]
    before = next((step for step in reversed(steps) if step.at < at), None)
    later = next((step for step in steps if step.at > at), None)
    rest = read.ledger.events[at:]
    after = next((e for e in rest if isinstance(e, Forward) and e.module == event.module), None)
    if before is None or later is None or after is None or before.event.optimizer != later.event.optimizer:
        return None
    remembers = read.ledger.optimizers[before.event.optimizer].remembers
    return Pull(event, before, after) if event.share < 1 or remembers else None
