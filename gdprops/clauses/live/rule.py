"""What an optimizer does to each tensor is what a copy of it does that holds this tensor alone."""

from __future__ import annotations

from collections.abc import Iterator

from gdprops.clauses.support.live_clause import NAMES, Told, lines, live_clause
from gdprops.clauses.support.provenance import Story
from gdprops.model.ledger import CopiedUpdate


@live_clause(
    id="live.rule",
    statement="At sampled steps, of optimizers that were measured to be separable: the update is what independent "
    "copies, one per tensor, do with these gradients.",
    source="pytorch/pytorch#110454: a path over many tensors returns early at the first sparse one; state that two "
    "tensors share after a resume.",
    decision="With --rule: the third step of each optimizer on the CPU, without a closure, is made again in a process "
    "of its own by copies that hold one tensor each, with copies of its state. Wrong where a tensor differs by more "
    "than a few roundings of its largest entry. Not judged: classes that are not separable on three small tensors, or "
    "of which no second one can be made from their defaults, and optimizers of more than 10^7 entries.",
    refuted_by=("script-shares-momentum",),
    undecided=lambda read: _undecided(read),
)
def rule(read: Story) -> Iterator[Told]:
    for event in _copied(read):
        if event.differs:
            step = next(step for step in read.steps if step.number == event.step)
            name = read.ledger.optimizers[event.optimizer].name
            yield Told(
                f"the step of {name} at {lines([step.place])} moves {NAMES} otherwise than a copy of it that "
                "holds that tensor alone: what happens to one tensor depends on others",
                tuple(sorted(event.differs)),
                event.step,
                (step.place,),
            )


def _copied(read: Story) -> list[CopiedUpdate]:
    return [event for event in read.ledger.events if isinstance(event, CopiedUpdate)]


def _undecided(read: Story) -> str:
    copied = _copied(read)
    if any(not event.reason for event in copied):
        return ""
    return copied[0].reason if copied else "no step was made again by copies of its optimizer (--rule)"
