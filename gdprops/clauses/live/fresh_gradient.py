"""A step uses what was deposited since the optimizer's last step, and nothing that it has used before.

A layer that is frozen in the middle of a training is left with its last gradient, or with zeros where gradients are
cleared in place. Either moves it on: the former as it did before, the latter by the optimizer's memory and decay.
"""

from __future__ import annotations

from collections.abc import Iterator

from gdprops.clauses.support.live_clause import NAMES, Told, lines, live_clause
from gdprops.clauses.support.provenance import Step, Story, Use
from gdprops.model.ledger import Holding


@live_clause(
    id="live.fresh-gradient",
    statement="A step uses what was deposited since that optimizer's last step, and no rest of an earlier one; nor "
    "does it move by memory or decay alone what has been frozen since.",
    source="karpathy/llm.c#548; the forgotten zero_grad of every second forum question on training.",
    decision="No gradient at a step holds a deposit that an earlier step of the same optimizer has used to move "
    "weights. Gradients that are zero hold nothing. A gradient that somebody assigned is judged where it is a copy, to "
    "one factor, of another parameter's gradient (master copies of weights); others and edited ones are not judged, "
    "and a closure only where it adds to the rest. A parameter that asks for no gradient any more, that an earlier "
    "step of the optimizer had a gradient for, and whose gradient now is zero and not None, is not moved.",
    refuted_by=(
        "script-never-zeroes",
        "script-zeroes-only-the-head",
        "script-steps-twice",
        "script-never-zeroes-in-a-closure",
        "script-keeps-frozen-gradients",
        "script-freezes-with-zeros",
        "script-never-clears-the-model-of-its-masters",
        "script-gives-a-workers-sum-to-the-shared-network",
    ),
    undecided=lambda read: (
        ""
        if any(_uses_own(read, o) > 1 for o in read.stepped)
        else "no optimizer stepped twice on gradients as backward left them"
    ),
)
def fresh_gradient(read: Story) -> Iterator[Told]:
    for step in read.steps:
        again = [p for p, use in step.uses.items() if use.rest and _is_known(use) and not use.edited]
        rest = [p for p in again if step.uses[p].calls or not step.inside]
        if rest:
            yield _told(step, rest)
    for optimizer in read.stepped:
        yield from _frozen(read.steps_of(optimizer))


def _is_known(use: Use) -> bool:
    """Say whether a gradient is what backward calls have left there, or a copy of that."""
    return use.own or use.copied is not None


def _frozen(steps: list[Step]) -> Iterator[Told]:
    """Yield the steps that move what has been frozen since an earlier one had a gradient for it."""
    trained = set[int]()
    for step in steps:
        zero = {p for p, holding in step.event.gradients.items() if holding is Holding.ZERO}
        moved = step.ends.moved if step.ends is not None else frozenset[int]()
        found = sorted(trained & step.event.frozen & zero & moved)
        if found and not step.inside:
            yield Told(
                f"the step at {lines([step.place])} moves {NAMES}, frozen since an earlier step: the gradient there is "
                "zero and not None, and the optimizer's memory or decay moves on what has one",
                tuple(found),
                step.number,
                (step.place,),
            )
        trained |= {p for p, use in step.uses.items() if use.own and use.calls}


def _uses_own(read: Story, optimizer: int) -> int:
    """Return how many steps of an optimizer used gradients that nobody had edited or assigned."""
    steps = [step for step in read.steps_of(optimizer) if not step.inside]
    return sum(any(_is_known(use) and not use.edited for use in step.uses.values()) for step in steps)


def _told(step: Step, rest: list[int]) -> Told:
    named = [p if (source := step.uses[p].copied) is None else source for p in rest]
    again = {call for p in rest for call in step.uses[p].rest}
    fresh = any(step.uses[p].calls for p in rest)
    earlier = [one.place for call in again for one in call.used if one is not step]
    places = [call.place for call in again]
    how = "nothing has cleared them" if fresh else "no backward pass has added to them since"
    return Told(
        f"the step at {lines([step.place])} uses the gradients of {lines(places)} again for {NAMES}: the "
        f"step at {lines(earlier)} has used them before, and {how}",
        tuple(named),
        step.number,
        (step.place, *places, *earlier),
    )
