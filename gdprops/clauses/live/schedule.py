"""A scheduler steps after its optimizer, and once per update at most."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from gdprops.clauses.support.epochs import second_epochs
from gdprops.clauses.support.live_clause import Told, lines, live_clause
from gdprops.clauses.support.provenance import Step, Story
from gdprops.model.clause import Level
from gdprops.model.code_place import Place
from gdprops.model.ledger import Ending, SchedulerStep, SkippedStep, StepEnds
from gdprops.numerics.decisions import VANISHED_RATE

FEWEST_STEPS = 2
"""One step of a scheduler decides nothing."""
FEWEST_LOW = 4
"""A schedule that is short on purpose ends with fewer steps at next to no rate."""


@live_clause(
    id="live.schedule",
    statement="A scheduler steps after its optimizer, and never twice without an update, or a step that a scaler "
    "skipped, between.",
    source="EvolvingLMMs-Lab/OneVision-Encoder#82, huggingface/accelerate#963, huggingface/diffusers#3954: the "
    "scheduler advances per micro-batch.",
    decision="Two steps of one scheduler, called by the user's own lines after the first update, without a step of its "
    "optimizer between; or a scheduler whose single step before the first update is followed by one per update; or one "
    "of an optimizer that never steps, while another one steps its parameters; or one that steps after each update and "
    "has brought the rate below a five hundredth of what it was, for at least four steps, before any loader begins "
    "anew or the run ends. Steps "
    "before the first update that come in a row are a fast-forward; steps that a library calls are not judged.",
    level=Level.RECOMMENDED,
    refuted_by=(
        *("script-schedules-every-micro-batch", "script-schedules-before-the-step"),
        *("script-schedules-the-optimizer-before", "script-schedules-epochs-by-batches"),
    ),
    undecided=lambda read: "" if _schedulers(read) else "no scheduler steps",
)
def schedule(read: Story) -> Iterator[Told]:
    for scheduler in _schedulers(read):
        own = [(at, e) for at, e in _stepped(read) if e.scheduler == scheduler]
        yield from _of_an_idle_one(read, own)
        yield from _twice(read, own)
        yield from _early(read, own)
        yield from _vanished(read, own)


def _stepped(read: Story) -> list[tuple[int, SchedulerStep]]:
    return [(at, e) for at, e in enumerate(read.ledger.events) if isinstance(e, SchedulerStep)]


def _schedulers(read: Story) -> list[int]:
    return list(dict.fromkeys(event.scheduler for _, event in _stepped(read)))


def _updates(read: Story, optimizer: int) -> list[int]:
    """Return where in the ledger an optimizer was asked to step."""
    numbers = {step.number for step in read.steps_of(optimizer)}
    return [
        at
        for at, e in enumerate(read.ledger.events)
        if (isinstance(e, StepEnds) and e.step in numbers) or (isinstance(e, SkippedStep) and e.optimizer == optimizer)
    ]


def _twice(read: Story, own: list[tuple[int, SchedulerStep]]) -> Iterator[Told]:
    updates = _updates(read, own[0][1].optimizer)
    between = [
        (first, second)
        for (a, first), (b, second) in pairwise(own)
        if updates and a > updates[0] and not any(a < at < b for at in updates)
    ]
    judged = [pair for pair in between if not pair[0].by_library and not pair[1].by_library]
    if judged:
        first, second = judged[0]
        yield Told(
            f"the scheduler steps at {lines([first.place, second.place])} {len(own)} times for {len(updates)} updates "
            "of its optimizer: twice without an update between",
            places=(first.place, second.place),
        )


def _of_an_idle_one(read: Story, own: list[tuple[int, SchedulerStep]]) -> Iterator[Told]:
    """Yield a scheduler whose optimizer does not step, although its parameters are stepped."""
    number = own[0][1].optimizer
    optimizer = read.ledger.optimizers.get(number)
    if optimizer is None or optimizer.nested or _updates(read, number) or len(own) < FEWEST_STEPS:
        return
    others = [one for one in read.stepped if read.ledger.optimizers[one].holds & optimizer.holds]
    if others:
        step = read.steps_of(others[0])[0]
        name, made = read.ledger.optimizers[others[0]].name, read.ledger.optimizers[others[0]].made_at
        places = (own[0][1].place, optimizer.made_at, step.place, made)
        yield Told(
            f"the scheduler that steps at {lines(places[:1])} changes the rate of {optimizer.name}"
            f"{_made(optimizer.made_at)}, which never steps: its parameters are stepped at {lines([step.place])} by "
            f"{name}{_made(made)}, whose rate it does not change",
            places=places,
        )


def _made(place: Place | None) -> str:
    return "" if place is None else f", made at {lines([place])}"


def _is_first(event: SchedulerStep) -> bool:
    return not event.by_library and not event.after_update


def _early(read: Story, own: list[tuple[int, SchedulerStep]]) -> Iterator[Told]:
    updates = _updates(read, own[0][1].optimizer)
    before = [event for at, event in own if not updates or at < updates[0]]
    later = [event for at, event in own if updates and at > updates[0]]
    if len(before) == 1 and later and before[0].place == later[0].place and _is_first(before[0]):
        yield Told(
            f"the scheduler steps at {lines([before[0].place])} before the first update of its optimizer: the first "
            "rate is never used",
            places=(before[0].place,),
        )


def _vanished(read: Story, own: list[tuple[int, SchedulerStep]]) -> Iterator[Told]:
    """Yield a scheduler that steps with each update, and has left nothing of the rate within the first epoch."""
    steps = read.steps_of(own[0][1].optimizer)
    rates = [max(step.event.rates.values(), default=0.0) for step in steps]
    falls = next((k for k in range(len(rates)) if max(rates[k:]) <= VANISHED_RATE * max(rates)), len(rates))
    if not rates or not max(rates) or len(rates) - falls < FEWEST_LOW or read.ledger.ending is not Ending.STOPPED:
        return
    fallen = steps[falls]
    ends = [at for at in second_epochs(read) if at < fallen.at]
    between = [event for at, event in own if at < fallen.at and not event.by_library]
    if ends or len(between) < falls or rates.index(max(rates)) > falls or _is_one_batch(steps):
        return
    places = (between[0].place, fallen.place)
    yield Told(
        f"the scheduler that steps at {lines(places[:1])} after each update has brought the rate from {max(rates):g} "
        f"to {rates[falls]:g} before step {fallen.number} at {lines(places[1:])}: one that counts epochs steps once "
        "per epoch",
        (),
        fallen.number,
        places,
    )


def _is_one_batch(steps: list[Step]) -> bool:
    """Say whether every step looks at the same inputs: then each is an epoch."""
    return len({call.forward.inputs for step in steps for call in step.window if call.forward is not None}) == 1
