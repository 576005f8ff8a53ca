"""Whose loss a step descends: gradients that another optimizer's loss has left are told, with both lines."""

from __future__ import annotations

from collections.abc import Iterator

from gdprops.clauses.support.live_clause import NAMES, Told, lines, live_clause
from gdprops.clauses.support.provenance import Call, Step, Story
from gdprops.model.clause import Level


@live_clause(
    id="live.owner",
    statement="A step that applies gradients of two losses, one of whose backward calls is another optimizer's, is "
    "told with both places.",
    source=(
        "Lightning-AI/pytorch-lightning#557, Toni-SM/skrl#425, watchernyu/REDQ#3: the discriminator or "
        "the critic descends the other's "
        "loss."
    ),
    decision="A step that uses calls of two lines for one parameter, one of which a step of another optimizer has used "
    "too, and the other not. In the ledger a leak looks like training on several tasks: a note, never an error.",
    level=Level.RECOMMENDED,
    refuted_by=("script-keeps-the-generators-gradient", "script-actors-loss-in-the-critic"),
    undecided=lambda read: "" if len(read.stepped) > 1 else "only one optimizer stepped",
)
def owner(read: Story) -> Iterator[Told]:
    for step in read.steps:
        if step.inside or step.ends is None:
            continue
        parameters = {p: found for p, use in step.uses.items() if (found := _borrowed(step, use.calls))}
        if parameters:
            borrowed = {call for found in parameters.values() for call in found}
            own = {call for p in parameters for call in step.uses[p].calls} - borrowed
            others = [
                one.place for call in borrowed for one in call.used if one.event.optimizer != step.event.optimizer
            ]
            yield Told(
                f"the step at {lines([step.place])} applies the gradients of {lines(call.place for call in own)} and "
                f"of {lines(call.place for call in borrowed)} to {NAMES}: the latter are of the loss "
                f"that the other optimizer, stepped at {lines(others)}, descends",
                tuple(sorted(parameters)),
                step.number,
                (step.place, *(call.place for call in own), *(call.place for call in borrowed), *others),
            )


def _borrowed(step: Step, calls: tuple[Call, ...]) -> list[Call]:
    """Return the calls that another optimizer's step had used before a call of another line, this step's own, came."""
    shared = [(call, one) for call in calls for one in call.used if one.event.optimizer != step.event.optimizer]
    lent = {call for call, _ in shared}
    own = [call for call in calls if call not in lent]
    return [call for call, used in shared if any(used.at < one.at and one.place != call.place for one in own)]
