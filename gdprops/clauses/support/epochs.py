"""Where in a ledger a pass over the data was over: a loader begins that had begun before."""

from __future__ import annotations

from gdprops.clauses.support.provenance import Story
from gdprops.model.ledger import EpochBegins


def second_epochs(read: Story) -> list[int]:
    """Return where in the ledger a data loader began that had begun before."""
    seen, found = set[int](), list[int]()
    for at, event in enumerate(read.ledger.events):
        if isinstance(event, EpochBegins) and event.alone:
            if event.loader in seen:
                found.append(at)
            seen.add(event.loader)
    return found
