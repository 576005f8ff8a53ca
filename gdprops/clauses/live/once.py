"""One update per window: no tensor stands twice in an optimizer, and no gradient moves a parameter twice."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from gdprops.clauses.support.live_clause import NAMES, Told, lines, live_clause
from gdprops.clauses.support.provenance import Step, Story


@live_clause(
    id="live.once",
    statement="One update per window: no optimizer holds a tensor twice, and no parameter is stepped twice on one "
    "gradient by two optimizers.",
    source="pytorch/pytorch#40967: the same tensor twice in a group is stepped twice; PKU-YuanGroup/Helios#130.",
    decision="Two finished steps of different optimizers that move a parameter share no deposit of it. Steps inside "
    "the step of an optimizer that holds as much are part of that step. The same optimizer twice is "
    "live.fresh-gradient's.",
    refuted_by=("script-holds-a-tensor-twice", "script-two-optimizers-on-one-gradient"),
)
def once(read: Story) -> Iterator[Told]:
    for step in read.steps:
        if step.event.twice:
            name = read.ledger.optimizers[step.event.optimizer].name
            yield Told(
                f"{name}, stepped at {lines([step.place])}, holds {NAMES} twice",
                tuple(sorted(step.event.twice)),
                step.number,
                (step.place,),
            )
    for call in read.calls:
        for one, other in combinations(call.used, 2):
            yield from _twice(read, one, other)


def _twice(read: Story, one: Step, other: Step) -> Iterator[Told]:
    if one.event.optimizer == other.event.optimizer or one.ends is None or other.ends is None:
        return
    both = one.ends.moved & other.ends.moved
    shared = [p for p in sorted(both) if set(one.uses[p].calls) & set(other.uses[p].calls)] if both else []
    shared = [p for p in shared if not one.uses[p].edited and not other.uses[p].edited]
    if shared:
        places = [call.place for p in shared for call in one.uses[p].calls]
        yield Told(
            f"two optimizers step {NAMES} on the gradients of {lines(places)}: at "
            f"{lines([one.place])} and at {lines([other.place])}",
            tuple(shared),
            other.number,
            (one.place, other.place, *places),
        )
