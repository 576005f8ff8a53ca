"""A step uses what was deposited since the optimizer's last step, and nothing that it has used before."""

from __future__ import annotations

from collections.abc import Iterator

from gdprops.clauses.support.live_clause import NAMES, Told, lines, live_clause
from gdprops.clauses.support.provenance import Step, Story


@live_clause(
    id="live.fresh-gradient",
    statement="A step uses what was deposited since that optimizer's last step, and no rest of an earlier one.",
    source="karpathy/llm.c#548; the forgotten zero_grad of every second forum question on training.",
    decision="No gradient at a step holds a deposit that an earlier step of the same optimizer has used to move "
    "weights. Gradients that are zero hold nothing; gradients that somebody edited or assigned, and closures, are not "
    "judged.",
    refuted_by=(
        "script-never-zeroes",
        "script-zeroes-only-the-head",
        "script-steps-twice",
        "script-keeps-frozen-gradients",
    ),
    undecided=lambda read: (
        ""
        if any(_uses_own(read, o) > 1 for o in read.stepped)
        else "no optimizer stepped twice on gradients as backward left them"
    ),
)
def fresh_gradient(read: Story) -> Iterator[Told]:
    for step in read.steps:
        rest = [p for p, use in step.uses.items() if use.rest and use.own and not use.edited]
        if rest and not step.inside:
            yield _told(step, rest)


def _uses_own(read: Story, optimizer: int) -> int:
    """Return how many steps of an optimizer used gradients that nobody had edited or assigned."""
    steps = [step for step in read.steps_of(optimizer) if not step.inside]
    return sum(any(use.own and not use.edited for use in step.uses.values()) for step in steps)


def _told(step: Step, rest: list[int]) -> Told:
    again = {call for p in rest for call in step.uses[p].rest}
    fresh = any(step.uses[p].calls for p in rest)
    earlier = [one.place for call in again for one in call.used if one is not step]
    places = [call.place for call in again]
    how = "nothing has cleared them" if fresh else "no backward pass has added to them since"
    return Told(
        f"the step at {lines([step.place])} uses the gradients of {lines(places)} again for {NAMES}: the "
        f"step at {lines(earlier)} has used them before, and {how}",
        tuple(rest),
        step.number,
        (step.place, *places, *earlier),
    )
