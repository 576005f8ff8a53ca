"""Every backward pass serves some step: a line whose gradients are dropped, window after window, does nothing."""

from __future__ import annotations

from collections.abc import Iterator

from gdprops.clauses.support.live_clause import Told, lines, live_clause, named
from gdprops.clauses.support.provenance import Call, Story, assigned_anywhere, written_outside
from gdprops.model.clause import Level


@live_clause(
    id="live.unused-gradient",
    statement="Every backward pass serves some step: a call whose every deposit is dropped, at every window, is named.",
    source="zero_grad between backward and step: the loss falls by chance, or not at all.",
    decision="All calls on a line, two at least, none of whose deposits any step used, with a step of an optimizer "
    "that holds the parameters after each. Right, and not told: a call of which some deposit is used (DCGAN), that "
    "gives a leaf which is no parameter its gradient (adversarial examples), whose gradients are differentiated in "
    "turn (penalties), or in a run in which weights are written or gradients assigned (SAM, private SGD, projected "
    "gradients).",
    level=Level.RECOMMENDED,
    refuted_by=("script-zeroes-before-the-step", "script-penalty-is-cleared"),
    undecided=lambda read: "the script writes to weights or gradients itself" if _is_by_hand(read) else "",
)
def unused_gradient(read: Story) -> Iterator[Told]:
    if _is_by_hand(read):
        return
    for place in dict.fromkeys(call.place for call in read.calls if call.place is not None):
        calls = [call for call in read.calls if call.place == place and call.deposits]
        if len(calls) > 1 and all(_is_lost(read, call) for call in calls[:-1]) and not calls[-1].used:
            dropped = {p for call in calls for p in call.dropped}
            cleared = [where for call in calls for where in call.dropped.values()]
            by = f" (cleared at {lines(cleared)})" if any(cleared) else ""
            yield Told(
                f"no step uses the gradients of {lines([place])}: those of {named(read, dropped)} are dropped every "
                f"time{by}",
                tuple(sorted(dropped)),
                None,
                (place, *cleared),
            )


def _is_by_hand(read: Story) -> bool:
    return assigned_anywhere(read) or written_outside(read)


def _is_lost(read: Story, call: Call) -> bool:
    """Say whether every deposit of a call was dropped although an optimizer of its parameters stepped after it."""
    following = next((c for c in read.calls if c.at > call.at and c.place == call.place), None)
    until = len(read.ledger.events) if following is None else following.at
    stepped = [s for s in read.steps if call.at < s.at < until and call.deposits & set(s.event.weights)]
    is_for_itself = call.event.elsewhere or call.event.creates_graph
    return not call.used and not is_for_itself and set(call.dropped) == call.deposits and bool(stepped)
