"""One batch, one step: no sweep that moves one part of the parameters after another, looking again in between."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby

from gdprops.clauses.support.live_clause import Told, lines, live_clause, named
from gdprops.clauses.support.provenance import Call, Step, Story

FEWEST_ROUNDS = 2
"""A sweep is told from the second batch on that is swept: one round alone may be a matter of the training's begin."""


@live_clause(
    id="live.together",
    statement="One batch, one step: the same backward call, on the same inputs, again and again, each time with "
    "another part of the same optimizer's parameters moving, is a sequential sweep.",
    source="The difference that gdprops is about: U(w, g(w)) moves all blocks from one look; a sweep looks after each "
    "block.",
    decision="Consecutive steps of one optimizer whose single backward calls stand on one line, after forward passes "
    "of one module on the same tensors, which move disjoint parameters although each call reaches what the others "
    "move; at two batches at least. GANs, heads and actors take turns at other lines, on other inputs or with other "
    "losses. What is frozen for that look counts as reached; several optimizers in turn are a note.",
    refuted_by=(
        *("script-sweeps-block-by-block", "script-freezes-all-but-one-layer"),
        "script-sweeps-with-an-optimizer-each",
    ),
    undecided=lambda read: (
        ""
        if any(_batch(step) is not step for step in read.steps)
        else "no step has one backward call, after a forward pass of a module on tensors"
    ),
)
def together(read: Story) -> Iterator[Told]:
    for optimizer in read.stepped:
        rounds = _rounds(read.steps_of(optimizer))
        if len(rounds) >= FEWEST_ROUNDS:
            yield _told(read, rounds[0])
    rounds = [r for r in _rounds(read.steps) if len({step.event.optimizer for step in r}) > 1]
    if len(rounds) >= FEWEST_ROUNDS:
        yield replace(_told(read, rounds[0]), note=True)


def _rounds(steps: list[Step]) -> list[list[Step]]:
    """Return the runs of consecutive steps on one batch that are sweeps."""
    return [run for _, group in groupby(steps, key=_batch) if _is_sweep(run := list(group))]


def _batch(step: Step) -> object:
    """Return what the steps of one sweep have in common, and something unique for a step that is in none."""
    call = _only_call(step)
    if call is None or step.inside or call.forward is None or not call.forward.inputs:
        return step
    return (step.place, call.place, call.forward.module, call.forward.inputs)


def _only_call(step: Step) -> Call | None:
    window = step.window
    return window[0] if len(window) == 1 else None


def _is_sweep(steps: list[Step]) -> bool:
    moved = [step.ends.moved for step in steps if step.ends is not None and step.ends.moved]
    if len(moved) < 2 or len(moved) != len(steps):
        return False
    parts = frozenset[int]().union(*moved)
    if sum(map(len, moved)) != len(parts):
        return False
    calls = [_only_call(step) for step in steps]
    looks_again = len(set(calls)) == len(calls)
    return looks_again and all(call is not None and parts <= _reach(call) for call in calls)


def _reach(call: Call) -> set[int]:
    """Return what a call gives a gradient, or would give one if it were not frozen for that moment."""
    return call.deposits | (call.forward.frozen if call.forward is not None else frozenset())


def _told(read: Story, steps: list[Step]) -> Told:
    parts = [named(read, step.ends.moved) for step in steps if step.ends is not None]
    places = (*(step.place for step in steps), *(call.place for step in steps for call in step.window))
    order = "; then ".join(parts[:3]) + ("; …" if len(parts) > 3 else "")
    return Told(
        f"the step at {lines([steps[0].place])} moves one part of the parameters after another on the same inputs, "
        f"looking again at {lines(call.place for step in steps for call in step.window)} in between: {order}",
        tuple(sorted(p for step in steps if step.ends is not None for p in step.ends.moved)),
        steps[0].number,
        places,
    )
