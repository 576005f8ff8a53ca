"""Between the look that a gradient is taken at and the step that uses it, nobody else moves the weights.

A forward pass reads w, backward leaves g(w), and the step must start at w. A weight whose content at the step was never
seen since the optimizer's last step has been written in between: the gradient is that of another point. Contents that
were seen may come back: SAM and extragradient look elsewhere and return. Those that forget to return, or that add up
both looks, are told.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from gdprops.clauses.support.displaced_looks import Displaced, added_up, not_undone
from gdprops.clauses.support.live_clause import NAMES, Told, lines, live_clause, named
from gdprops.clauses.support.provenance import Call, Step, Story
from gdprops.clauses.support.pulled_modules import Pull, pulled_back
from gdprops.model.ledger import Forward


@live_clause(
    id="live.frozen-weights",
    statement="The weight at a step is the weight that the step's gradient was taken at, or that the optimizer's own "
    "last step left: nobody else moved it between the look and the step.",
    source="pytorch/pytorch#39141, tensorflow/addons#2683: weights are written between the look and the step, and no "
    "version counter notices.",
    decision="From an optimizer's second step on, the compared entries at the step are among those that were seen "
    "since its last step began, to rounding. Not judged: closures, gradients that somebody assigned, parameters that "
    "no forward pass of a module has read. A decay by one common factor is a note, and so is a backward pass through "
    "a forward pass from before a step that has moved its weights: a delayed gradient may be meant. Notes as well: at "
    "half of the steps or more, weights that were moved after a look whose gradient no step uses, and that the step "
    "starts from; and two looks on the same inputs at different weights whose gradients are added up, both with a "
    "weight of at least 1, where one of them is at the weights of the step; and a module that is pulled again and "
    "again to the weights of another one of its kind, which runs and stays as it is, a share of the way or altogether "
    "with an optimizer that remembers; and a step from weights that are an average of three or more which the same "
    "optimizer has left, between no two of them, with no other write to them in the meantime. A step inside an open "
    "autocast region is wrong where a later forward pass of that region reads the copies of the weights from before "
    "the step.",
    refuted_by=(
        "script-writes-between-look-and-step",
        "script-averages-before-the-step",
        "script-steps-inside-autocast",
        "script-steps-between-forward-and-backward",
        *("script-steps-from-displaced-weights", "script-adds-up-two-looks", "script-pulls-the-learner-to-its-target"),
        *("script-goes-on-from-its-average", "script-restores-what-it-has-overwritten"),
    ),
    undecided=lambda read: "" if _is_seen(read) else "no forward pass of a module has read what a later step moves",
)
def frozen_weights(read: Story) -> Iterator[Told]:
    for optimizer in read.stepped:
        for step in read.steps_of(optimizer)[1:]:
            yield from _written(read, step)
    yield from _cached(read)
    for call in read.calls:
        yield from _delayed(read, call)
    for optimizer in read.stepped:
        yield from map(_displaced, not_undone(read, optimizer))
        yield from _added_up(read, optimizer)
        yield from _averaged(read.steps_of(optimizer))
    yield from map(_pulled, pulled_back(read))


def _written(read: Story, step: Step) -> Iterator[Told]:
    if step.inside:
        return
    moved = [
        parameter
        for parameter, content in step.event.weights.items()
        if _looked_at(step, parameter) and content not in step.before[parameter]
    ]
    changed = [p for p in moved if p not in step.event.rounded]
    shrunk = [p for p in changed if p in step.event.shrunk]
    written = [p for p in changed if p not in step.event.shrunk]
    looks = [call.place for p in changed for call in step.uses[p].calls]
    where = (*looks, step.place)
    if written:
        yield Told(
            f"the step at {lines([step.place])} uses the gradients of {lines(looks)}, but somebody wrote "
            f"to {NAMES} between that look and the step",
            tuple(written),
            step.number,
            where,
        )
    elif shrunk:
        yield Told(
            f"{NAMES} shrinks by one factor between the look at {lines(looks)} and the step at "
            f"{lines([step.place])}: a decay beside the optimizer's",
            tuple(shrunk),
            step.number,
            where,
            note=True,
        )


def _is_seen(read: Story) -> bool:
    """Say whether any look at a weight was seen that a later step uses."""
    later = (step for optimizer in read.stepped for step in read.steps_of(optimizer)[1:] if not step.inside)
    return any(_looked_at(step, parameter) for step in later for parameter in step.uses) or bool(list(_cached(read)))


def _looked_at(step: Step, parameter: int) -> bool:
    use = step.uses.get(parameter)
    return use is not None and use.own and bool(use.calls) and parameter in step.read


def _delayed(read: Story, call: Call) -> Iterator[Told]:
    """Yield a backward pass that is used, and the steps that have moved weights since its forward pass read them."""
    if not call.used:
        return
    reached = call.deposits | (call.event.reaches or frozenset())
    for at, forward in call.looks:
        for step in read.steps:
            if step.ends is None or not at < step.at < call.at:
                continue
            now = call.used[0].event.weights
            moved = step.ends.moved & set(forward.reads) & reached
            gone = sorted(p for p in moved if now.get(p) != forward.reads[p])
            if gone:
                yield Told(
                    f"the backward pass at {lines([call.place])} goes through the forward pass at "
                    f"{lines([forward.place])}, whose weights {NAMES} the step at {lines([step.place])} has moved in "
                    f"between: the step at {lines([call.used[0].place])} uses a gradient of other weights than it "
                    "starts from",
                    tuple(gone),
                    call.used[0].number,
                    (call.place, forward.place, step.place, call.used[0].place),
                    note=True,
                )
                return


def _displaced(found: Displaced) -> Told:
    first, second = found.first.place, found.second.place
    return Told(
        f"the step at {lines([found.step.place])} starts from weights {NAMES} that somebody has moved after the look "
        f"at {lines([first])}, whose gradients no step uses, for the look at {lines([second])}: whoever looks "
        "elsewhere goes back before he steps",
        found.parameters,
        found.step.number,
        (found.step.place, first, second),
        note=True,
    )


def _added_up(read: Story, optimizer: int) -> Iterator[Told]:
    for step in read.steps_of(optimizer):
        found = added_up(read, step)
        if found is not None:
            first, second = found.first.place, found.second.place
            yield Told(
                f"the step at {lines([step.place])} adds up the gradients of {lines([first])} and of "
                f"{lines([second])}, between which somebody has moved {NAMES}: they are of different weights",
                found.parameters,
                step.number,
                (step.place, first, second),
                note=True,
            )


def _averaged(steps: list[Step]) -> Iterator[Told]:
    """Yield the steps that go on from an average which somebody has put in the place of the weights."""
    for before, step in pairwise(steps):
        if step.event.averaged:
            yield Told(
                f"between the step at {lines([before.place])} and the next one at {lines([step.place])} somebody has "
                "put an average of the weights after earlier steps in their place, and the training goes on from "
                "there: weights that are averaged for an evaluation alone are put back after it",
                (),
                step.number,
                (before.place, step.place),
                note=True,
            )
            return


def _pulled(pull: Pull) -> Told:
    places = (pull.step.place, pull.after.place)
    name, share = pull.pulled.name, pull.pulled.share
    way = f"put {name} back to" if share >= 1 else f"moved {name} {share:.2g} of the way to"
    return Told(
        f"between the step at {lines(places[:1])} and the forward pass at {lines(places[1:])} somebody has {way} the "
        f"weights of {pull.pulled.towards}, not for the first time, and these stay what they are: a target "
        "network follows the one that is trained, not the other way round",
        (),
        pull.step.number,
        places,
        note=True,
    )


def _cached(read: Story) -> Iterator[Told]:
    """Yield the steps after which a forward pass reads autocast's copies of the weights from before the step."""
    passes = [(at, e) for at, e in enumerate(read.ledger.events) if isinstance(e, Forward) and e.region is not None]
    for step in read.steps:
        if step.event.region is None or step.ends is None:
            continue
        same = [(at, e) for at, e in passes if e.region == step.event.region and e.differentiated]
        earlier = {p for at, e in same if at < step.at for p in e.reads}
        stale = earlier & step.ends.moved
        later = next((e for at, e in same if at > step.at and stale & set(e.reads)), None)
        if stale and later is not None:
            yield Told(
                f"the step at {lines([step.place])} is inside an autocast region: the forward pass at "
                f"{lines([later.place])} reads the copies of {named(read, stale)} that autocast made before the step",
                tuple(sorted(stale)),
                step.number,
                (step.place, later.place),
            )
            return
