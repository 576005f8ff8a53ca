"""Windows of accumulation are of equal length, and nothing is left over where an epoch, or the run, ends."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from gdprops.clauses.support.epochs import second_epochs
from gdprops.clauses.support.live_clause import Told, lines, live_clause, named
from gdprops.clauses.support.provenance import Call, Step, Story, assigned_anywhere, written_outside
from gdprops.model.clause import Level
from gdprops.model.code_place import Place
from gdprops.model.ledger import Ending

FEWEST_WINDOWS = 3
"""So many windows of one length after a shorter first one are a shift, not a coincidence."""
FEWEST_EMPTIED, FEWEST_LOST = 2, 3
"""So many windows with so many lost passes together are a habit; one pass before each of two may be a coincidence."""
FEWEST_PASSES = 4
"""Of windows of fewer passes, all but one of which are stepped, a short last window of each epoch looks the same."""


@live_clause(
    id="live.window",
    statement="Windows are of equal length, but an epoch's last, if it is stepped; nothing is left over at the end of "
    "an epoch.",
    source="timoschick/pet#36: a short last window is lost; rasbt/LLMs-from-scratch#299: windows are shifted by one.",
    decision="Told: gradients that no step has used when the run ends, of a line whose other gradients were used, "
    "but of a line that drops single batches; "
    "gradients from before a data loader began anew that are used together with later ones, or a window shorter than "
    "the one before that was cleared there; a first window that is shorter than all others; windows of which only the "
    "last passes are left; losses divided by n, of which n - 1 steps are made of every n passes, twice or more. "
    "Nothing is said of the end where the watching stopped before it, or the run raised.",
    level=Level.RECOMMENDED,
    refuted_by=(
        *("script-loses-the-last-window", "script-carries-over-the-epoch"),
        *("script-shifts-the-windows", "script-clears-every-micro-batch"),
        *("script-clears-in-the-window", "script-clears-at-each-epoch"),
        "script-steps-but-at-the-last",
    ),
)
def window(read: Story) -> Iterator[Told]:
    yield from _left_over(read)
    boundaries = second_epochs(read)
    for optimizer in read.stepped:
        steps = [step for step in read.steps_of(optimizer) if step.window and not step.inside]
        yield from _carried(steps, boundaries)
        yield from _cleared(read, steps, boundaries)
        yield from _shifted(steps) if not read.ledger.stretch else ()
        yield from _emptied(read, steps)
        yield from _turned_round(steps)


def _left_over(read: Story) -> Iterator[Told]:
    if read.ledger.ending is not Ending.FINISHED:
        return
    used = {call.place for call in read.calls if call.used} - _skipped(read)
    held = frozenset[int]().union(*(read.ledger.optimizers[o].holds for o in read.stepped))
    left: dict[Call, set[int]] = {}
    for parameter in set(read.holding) & held:
        for one in read.holding[parameter]:
            if not one.call.used and one.call.place in used:
                left.setdefault(one.call, set()).add(parameter)
    if left:
        places, parameters = [call.place for call in left], {p for group in left.values() for p in group}
        count = f"{len(left)} backward passes" if len(left) > 1 else "the last backward pass"
        yield Told(
            f"at the end of the run the gradients of {count} at {lines(places)} are left over for "
            f"{named(read, parameters)}: no step has used them",
            tuple(sorted(parameters)),
            None,
            tuple(places),
        )


def _skipped(read: Story) -> set[Place | None]:
    """Return the lines whose calls are stepped one by one or dropped one by one: a script that skips batches."""
    alone = {step.window[0].place for step in read.steps if len(step.window) == 1}
    longer = {call.place for step in read.steps for call in step.window if len(step.window) > 1}
    dropped = {call.place for call in read.calls if call.deposits and set(call.dropped) == call.deposits}
    return (alone & dropped) - longer


def _emptied(read: Story, steps: list[Step]) -> Iterator[Told]:
    """Yield a line of which every step uses the last calls alone, after equally many that were cleared."""
    if len(steps) < FEWEST_EMPTIED or assigned_anywhere(read) or written_outside(read):
        return
    lost = [_lost_before(read, before, step) for before, step in zip([None, *steps], steps, strict=False)]
    if (
        sum(map(len, lost)) < FEWEST_LOST
        or len(set(map(len, lost))) > 1
        or len({len(step.window) for step in steps}) > 1
    ):
        return
    place, cleared = steps[0].window[0].place, [where for call in lost[0] for where in call.dropped.values()]
    used = len(steps[0].window)
    kept = f"the last {used} are" if used > 1 else "the last is"
    yield Told(
        f"of {len(lost[0]) + used} backward passes at {lines([place])} before each step at {lines([steps[0].place])}, "
        f"only {kept} used: the others are cleared at {lines(cleared)} first",
        tuple(sorted(lost[0][0].deposits)),
        steps[0].number,
        (place, steps[0].place, *cleared),
    )


def _turned_round(steps: list[Step]) -> Iterator[Told]:
    """Yield losses divided by n of which n - 1 steps of every n passes are made: the first uses two, the others one."""
    calls = [call for step in steps for call in step.window]
    weights, places = {call.event.weight for call in calls}, {call.place for call in calls}
    if len(weights) > 1 or len(places) > 1 or not 0 < min(weights, default=0) < 1:
        return
    count = round(1 / min(weights))
    once = [2] + [1] * (count - 2)
    lengths = [len(step.window) for step in steps]
    if count < FEWEST_PASSES or len(lengths) < 2 * len(once) or not math.isclose(count * min(weights), 1):
        return
    if all(length == once[k % len(once)] for k, length in enumerate(lengths)):
        places_of = (steps[0].place, *(call.place for call in steps[0].window))
        yield Told(
            f"losses at {lines(places_of[1:])} are divided by {count}, and of every {count} backward passes "
            f"{count - 1} are stepped at {lines(places_of[:1])}, the first of these with two: the condition of the "
            "step is the wrong way round",
            (),
            steps[0].number,
            places_of,
        )


def _lost_before(read: Story, before: Step | None, step: Step) -> list[Call]:
    """Return the calls on the line of a step's calls that were dropped whole, between the step before and these."""
    used = step.window[0]
    if {(call.place, frozenset(call.deposits)) for call in step.window} != {(used.place, frozenset(used.deposits))}:
        return []
    since = -1 if before is None else before.at
    calls = [call for call in read.calls if since < call.at < used.at and call.place == used.place]
    whole = all(set(call.dropped) == call.deposits == used.deposits and not call.event.elsewhere for call in calls)
    return calls if whole else []


def _carried(steps: list[Step], boundaries: list[int]) -> Iterator[Told]:
    for step in steps:
        calls = step.window
        for at in boundaries:
            before = [call for call in calls if call.at < at]
            if before and len(before) < len(calls) and at < step.at:
                yield Told(
                    f"the step at {lines([step.place])} uses gradients of {lines(call.place for call in before)} from "
                    "before the data loader began anew together with later ones: the epoch's last window was not "
                    "stepped",
                    (),
                    step.number,
                    (step.place, *(call.place for call in calls)),
                )
                return


def _cleared(read: Story, steps: list[Step], boundaries: list[int]) -> Iterator[Told]:
    """Yield the calls of a short window that were cleared where an epoch ended, between two steps."""
    for before, step in pairwise(steps):
        places = {call.place for call in before.window} & {call.place for call in step.window}
        ends = [at for at in boundaries if before.at < at < step.at]
        calls = [call for call in read.calls if ends and before.at < call.at < ends[0] and call.place in places]
        lost = [call for call in calls if call.deposits and set(call.dropped) == call.deposits]
        if 0 < len(lost) == len(calls) < len(before.window):
            cleared = [where for call in lost for where in call.dropped.values()]
            yield Told(
                f"the last window of an epoch is cleared at {lines(cleared)} before any step: the gradients of "
                f"{lines(call.place for call in lost)} are lost",
                (),
                step.number,
                (*(call.place for call in lost), *cleared, step.place),
            )
            return


def _shifted(steps: list[Step]) -> Iterator[Told]:
    lengths = [len(step.window) for step in steps if len({call.place for call in step.window}) == 1]
    if len(lengths) < len(steps) or len(lengths) <= FEWEST_WINDOWS:
        return
    usual, times = Counter(lengths[1:]).most_common(1)[0]
    if lengths[0] < usual and times >= FEWEST_WINDOWS and min(lengths[1:-1]) == usual:
        yield Told(
            f"the first window at {lines([steps[0].place])} has {lengths[0]} of {usual} backward passes, all others "
            f"have {usual}: the windows are shifted",
            (),
            steps[0].number,
            (steps[0].place, *(call.place for call in steps[0].window)),
        )
