"""A step that has gradients and a rate above zero moves something, and what it holds moves at some step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from gdprops.clauses.support.live_clause import NAMES, Told, lines, live_clause, named
from gdprops.clauses.support.provenance import Step, Story

FEWEST_STEPS = 4
"""Wrappers that accumulate inside move at every second or fourth call: fewer steps decide nothing."""


@live_clause(
    id="live.moves",
    statement="A step that has gradients and a rate above zero moves something; what never moved in the watched steps "
    "is named.",
    source="huggingface/accelerate#2665, #3256: the step moves nothing; KellerJordan/Muon#28: updates that one rank "
    "holds.",
    decision="Wrong only where rate times gradient was more than four roundings of the weight, at four steps or more, "
    "and no watched step moved the parameter. Exempt: a rate of zero, closures, gradients that are zero to rounding. "
    "Notes: the rate was zero at each of four watched steps or more; weights of two bytes never moved in four steps or "
    "more, with a rate above zero that does not rise and gradients of the size of the others'.",
    refuted_by=(
        *("script-step-moves-nothing", "script-forgets-a-group", "script-rate-is-always-zero"),
        "script-loses-updates-in-rounding",
    ),
    undecided=lambda read: (
        ""
        if any(len(_outside(read, o)) >= FEWEST_STEPS for o in read.stepped)
        else f"no optimizer made {FEWEST_STEPS} steps without a closure"
    ),
)
def moves(read: Story) -> Iterator[Told]:
    for optimizer in read.stepped:
        steps = _outside(read, optimizer)
        moved = frozenset[int]().union(*(step.ends.moved for step in steps if step.ends is not None))
        yield from _without_rate(read, optimizer, steps, moved)
        yield from _rounded_away(read, optimizer, steps, moved)
        stuck = [p for p in sorted(_pulled(steps)) if p not in moved]
        if not stuck:
            continue
        name, place = read.ledger.optimizers[optimizer].name, steps[0].place
        what = f"moves {named(read, stuck)}" if moved else "moves anything"
        yield Told(
            f"no step of {name} at {lines([place])} {what}: {len(steps)} steps were watched, with gradients that are "
            "not zero and a rate above zero",
            tuple(stuck),
            steps[0].number,
            (place,),
        )


def _outside(read: Story, optimizer: int) -> list[Step]:
    """Return the steps of an optimizer during which no backward call was seen."""
    return [step for step in read.steps_of(optimizer) if not step.inside]


def _without_rate(read: Story, optimizer: int, steps: list[Step], moved: frozenset[int]) -> Iterator[Told]:
    """Yield an optimizer all of whose rates were zero at every step."""
    if moved or len(steps) < FEWEST_STEPS or not all(step.uses and step.event.rates for step in steps):
        return
    if not any(rate for step in steps for rate in step.event.rates.values()):
        name, place = read.ledger.optimizers[optimizer].name, steps[0].place
        yield Told(
            f"the rate of {name} was 0 at each of its {len(steps)} watched steps at {lines([place])}: nothing "
            "has moved",
            (),
            steps[0].number,
            (place,),
            note=True,
        )


def _rounded_away(read: Story, optimizer: int, steps: list[Step], moved: frozenset[int]) -> Iterator[Told]:
    """Yield what never moved because all that steps add is less than a rounding of so coarse a weight."""
    counts = Counter(p for step in steps if step.ends is not None for p in step.ends.lost)
    first, last = (step.event.rates for step in (steps[0], steps[-1])) if steps else ({}, {})
    lost = tuple(p for p in sorted(counts) if p not in moved and counts[p] >= FEWEST_STEPS)
    lost = tuple(p for p in lost if last.get(p, 0.0) <= first.get(p, 0.0))  # a rate that rises gets to where it moves
    if lost:
        name, place = read.ledger.optimizers[optimizer].name, steps[0].place
        rate = max(step.event.rates.get(p, 0.0) for step in steps for p in lost)
        yield Told(
            f"no step of {name} at {lines([place])} moves {NAMES}, weights of two bytes: at a rate of {rate:g} each "
            f"update is less than a rounding of them, and lost ({len(steps)} steps were watched)",
            lost,
            steps[0].number,
            (place,),
            note=True,
        )


def _pulled(steps: list[Step]) -> set[int]:
    """Return the parameters that a gradient pulled at enough steps without moving them."""
    counts: dict[int, int] = {}
    for step in steps:
        for parameter in step.ends.stuck if step.ends is not None else ():
            counts[parameter] = counts.get(parameter, 0) + 1
    return {parameter for parameter, count in counts.items() if count >= FEWEST_STEPS}
