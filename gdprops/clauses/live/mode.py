"""The passes that are trained on are in one mode.

A run that evaluates and forgets to go back trains another function: dropout and running statistics stand still.
"""

from __future__ import annotations

from collections.abc import Iterator

from gdprops.clauses.support.live_clause import Told, lines, live_clause
from gdprops.clauses.support.provenance import Story
from gdprops.model.clause import Level
from gdprops.model.ledger import BackwardBegins, Forward

FEWEST_PASSES = 2
"""So many trained passes in evaluation mode at the end are told; one may be a special loss."""


@live_clause(
    id="live.mode",
    statement="The passes that are trained on are in one mode; a run that switches to evaluation and stays there is "
    "told.",
    source="fartashf/vsepp#4, ThilinaRajapakse/simpletransformers#941: training goes on in evaluation mode.",
    decision="Of each outermost module with dropout or running statistics: its differentiated passes right before "
    "backward passes that some step uses. Told where the first is in training mode and the last two or more are in "
    "evaluation mode.",
    level=Level.RECOMMENDED,
    refuted_by=("script-stays-in-evaluation-mode",),
    undecided=lambda read: "" if _varying(read) else "no module with dropout or running statistics was seen to run",
)
def mode(read: Story) -> Iterator[Told]:
    for module in _varying(read):
        passes = _trained_on(read, module)
        after = len(passes)
        while after and not passes[after - 1].training:
            after -= 1
        if 0 < after <= len(passes) - FEWEST_PASSES:
            yield Told(
                f"the forward pass at {lines([passes[0].place])} is trained on in training mode at first, and in "
                f"evaluation mode from its pass {after + 1} on: dropout and running statistics stand still",
                places=(passes[0].place, passes[after].place),
            )


def _varying(read: Story) -> list[int]:
    """Return the modules that depend on the mode."""
    return list(dict.fromkeys(e.module for e in read.ledger.events if isinstance(e, Forward) and e.varies))


def _trained_on(read: Story, module: int) -> list[Forward]:
    """Return the passes of a module that are each the last one before a backward call that a step uses."""
    used = {call.event.call for call in read.calls if call.used}
    last: Forward | None = None
    found = []
    for event in read.ledger.events:
        if isinstance(event, Forward) and event.module == module:
            last = event if event.differentiated else None
        elif isinstance(event, BackwardBegins) and event.call in used and last is not None:
            found.append(last)
            last = None
    return found
