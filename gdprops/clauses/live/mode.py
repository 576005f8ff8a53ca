"""The passes that are trained on are in one mode.

A run that evaluates and forgets to go back trains another function: dropout and running statistics stand still. One
that calls backward while it evaluates leaves gradients of data that it was not to be trained on.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile

from gdprops.clauses.support.live_clause import Told, lines, live_clause
from gdprops.clauses.support.provenance import Call, Step, Story
from gdprops.model.clause import Level
from gdprops.model.ledger import BackwardBegins, Forward

FEWEST_PASSES = 2
"""So many trained passes in evaluation mode at the end are told; one may be a special loss."""


@live_clause(
    id="live.mode",
    statement="The passes that are trained on are in one mode: a run that switches to evaluation and stays there is "
    "told, and so is one whose evaluation leaves gradients that a step uses.",
    source="fartashf/vsepp#4, ThilinaRajapakse/simpletransformers#941: training goes on in evaluation mode.",
    decision="Of each outermost module with dropout or running statistics: its differentiated passes right before "
    "backward passes that some step uses. Told where the first is in training mode and the last two or more are in "
    "evaluation mode. Of every module: steps whose first backward calls are on passes in evaluation mode and whose "
    "last one is on a pass in training mode, where some step before and some step after uses passes in training mode "
    "alone.",
    level=Level.RECOMMENDED,
    refuted_by=("script-stays-in-evaluation-mode", "script-evaluation-leaves-gradients"),
    undecided=lambda read: (
        "" if _varying(read) or _modes(read) > 1 else "no module with dropout or running statistics was seen to run"
    ),
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
    for optimizer in read.stepped:
        yield from _left_by_evaluation([step for step in read.steps_of(optimizer) if step.window and not step.inside])


def _left_by_evaluation(steps: list[Step]) -> Iterator[Told]:
    """Yield a step that uses what an evaluation has left, between steps that use passes in training mode alone."""
    usual = [at for at, step in enumerate(steps) if all(_trains(call) for call in step.window)]
    for at, step in enumerate(steps):
        if not usual or not usual[0] < at < usual[-1]:
            continue
        left = list(takewhile(lambda call: not _trains(call), step.window))
        last = step.window[-1]
        if left and _trains(last) and {_module(call) for call in left} == {_module(last)}:
            places = (step.place, last.place, *(call.place for call in left))
            yield Told(
                f"the step at {lines(places[:1])} uses the gradients of {lines(places[1:2])} and what the backward "
                f"passes in evaluation mode at {lines(places[2:])} have left before: other steps use none of these",
                tuple(sorted(step.uses)),
                step.number,
                places,
            )


def _trains(call: Call) -> bool:
    return call.forward is None or call.forward.training


def _module(call: Call) -> int | None:
    return None if call.forward is None else call.forward.module


def _modes(read: Story) -> int:
    """Return in how many modes the passes are that backward was called on."""
    return len({call.forward.training for call in read.calls if call.forward is not None})


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
