"""Chapter clock: the learning rate of each update is that of the declared schedule.

The step is judged by the rates that are in force when it calls its optimizer, whoever has set them: a scheduler, the
user's own lines, or nobody. What belongs to update t is computed by the declared schedule itself, on a twin of the
optimizer that moves nothing (`subjects/training_step/schedule.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from gdprops.clauses.support.lazy import lazy
from gdprops.errors import Unsupported
from gdprops.model.clause import Implementation, Level, View, clause
from gdprops.model.evidence import Demand
from gdprops.model.note import Note
from gdprops.numerics import decisions
from gdprops.numerics.rate_sequences import (
    at_places,
    changes,
    compared,
    first_difference,
    is_shifted,
    peak,
    what_happens,
    wrong_places,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hypothesis.strategies import SearchStrategy

    from gdprops.clauses.support import workbench
    from gdprops.model.domain import Domain
    from gdprops.model.evidence import Evidence
    from gdprops.model.training_run import StepTraining
    from gdprops.numerics.rate_sequences import Rates
else:
    workbench = lazy("gdprops.clauses.support.workbench")


def of_updates(domain: Domain) -> SearchStrategy[Any]:
    """Return loops of as many updates as are declared."""
    loop = workbench.Loop(
        double=True, frozen=False, moderate=True, least_steps=domain.updates, most_steps=domain.updates
    )
    return workbench.loops(domain, loop)


class Clocked(NamedTuple):
    """The rates in force at each call of the optimizer, and in every reading of the declaration those expected there.

    ``share``: by which share of the schedule's peak they may be off, if not as rates in float64; ``plan``: the
    schedule, an entry for each update, advancing once in ``per`` updates; ``at``: the number of the logical step of
    each call; ``optimizer``: how a script reaches the optimizer, empty where there are several, and ``groups``: how
    many parameter groups it has.
    """

    seen: list[Rates]
    readings: dict[str, list[Rates]]
    plan: list[Rates]
    share: float | None = None
    at: tuple[int, ...] = ()
    optimizer: str = ""
    groups: int = 0
    per: int = 1

    @property
    def reading(self) -> str | None:
        """The first reading of the declaration in which all rates agree; None where there is none."""
        return next((how for how, plan in self.readings.items() if self.wrong_at(plan) is None), None)

    def wrong_at(self, plan: Sequence[Rates]) -> int | None:
        """Return the first update, counted from 0, at which the rates are other ones."""
        return first_difference(self.seen, plan, self.share)


def clocked(subject: Any, case: Any) -> Clocked:
    """Let the user's step train; return the rates that were in force, and those of the schedule."""
    declared, in_force, at, losses = subject.declaration.schedule, list[Any](), list[int](), list[Any]()
    for run, t, _ in workbench.unjudged(subject, case):
        taken: StepTraining = run  # type: ignore[assignment] # the chapter is about training steps alone
        (groups, defaults), settings = taken.built_optimizer, taken.called_with()
        losses.append(taken.returned)
        if settings is not None:
            in_force.append(settings)
            at.append(t)
    if not in_force:
        return Clocked([], {}, [])
    if any(len(settings) != len(groups) for settings in in_force):
        raise Unsupported("the optimizer's parameter groups change during training")
    most = decisions.MOST_ADVANCES * (len(losses) + 1)
    advances = declared.planned(groups, defaults, losses, least=at[-1] // (declared.per or len(losses)) + 1, most=most)
    advances, seen = compared(advances, in_force)
    single = any(str(getattr(group["lr"], "dtype", "")) == "torch.float32" for one in in_force for group in one)
    share = decisions.STORED_RATE if single else None
    plan = [advances[t // (declared.per or 1)] for t in range(len(advances) * (declared.per or 1))]
    readings = dict(_readings(plan, at, epoch=declared.per is None))
    return Clocked(seen, readings, plan, share, tuple(at), _reached(subject), len(groups), declared.per or 1)


def _reached(subject: Any) -> str:
    from gdprops.subjects.training_step.script.ending import built_optimizer

    return built_optimizer(subject.declaration.habits.step_at)


def _readings(plan: list[Rates], at: Sequence[int], *, epoch: bool) -> Iterator[tuple[str, list[Rates]]]:
    """Yield how the declaration can be read, each with the rates of every call of the optimizer.

    ``at``: the number of the logical step of each call. A step that a gradient scaler skips may advance the schedule.
    """
    if epoch:
        yield "", [plan[0] for _ in at]
        for n in range(2, len(at) + 1):
            yield f"the schedule advances at every {n} updates, as at an epoch's end", [plan[t // n] for t in at]
        return
    yield "", [plan[t] for t in at]
    if list(at) != list(range(len(at))):
        told = "a step that the gradient scaler skips does not advance the schedule"
        yield told, plan[: len(at)]


def told(found: Clocked) -> Evidence:
    """Return agreement where the rates are the schedule's, decisive where any changes; else the violation."""
    if not found.seen:
        return workbench.vacuous("the step never calls the optimizer that build returns: its rates are not seen")
    reading = found.reading
    if reading is None:
        return _violation(found)
    if not changes(found.seen):
        return workbench.vacuous(
            f"the schedule changes no rate within {len(found.seen)} updates; declare a shorter schedule, or a run of "
            "more updates="
        )
    return workbench.with_notes(workbench.agreement(), *[Note(reading)] * bool(reading))


def _violation(found: Clocked) -> Evidence:
    expected = next(iter(found.readings.values()))
    t = found.wrong_at(expected) or 0
    places, every = wrong_places(found.seen, expected, found.share), list(range(len(expected[0])))
    if not places or places[-1] >= found.groups:
        places = every  # a momentum that does not cycle is told of them all
    wrong, right = (at_places(rates, places) for rates in (found.seen, found.plan))
    how = what_happens(wrong, right, found.share, per=found.per)
    if changes(found.plan) and not changes(expected) and first_difference(found.seen, found.plan, found.share) is None:
        how = "the schedule advances with every update, and not once an epoch"
    seen, wanted = _shown(found.seen[t], expected[t]), _shown(expected[t], found.seen[t])
    which = _of_groups(places, found.groups) if places != every else ""
    said = f"at update {t + 1} the rate{which} is {seen}, the schedule's {wanted}"
    return workbench.violation(f"{said}: {how}" if how else said, demand=_demand(found, expected, t))


def _demand(found: Clocked, expected: Sequence[Rates], t: int) -> Demand | None:
    """Return what a script asserts of the first rate that is wrong; None where momenta differ, or it has no name."""
    differ = [
        g for g, (a, b) in enumerate(zip(found.seen[t], expected[t], strict=False)) if a != b and g < found.groups
    ]
    if not (differ and found.optimizer):
        return None
    g, room = differ[0], (decisions.CLOCK_SHARE if found.share is None else found.share) * peak(found.plan)
    record = "rates.append([float(group['lr']) for group in optimizer.param_groups])"
    hook = f"{found.optimizer}.register_step_pre_hook(lambda optimizer, *_: {record})"
    test = f"abs(rates[{t}][{g}] - {expected[t][g]!r}) <= {room!r}"
    return Demand(test, ("rates = []", hook), found.at[t] + 1)


def _of_groups(places: Sequence[int], count: int) -> str:
    """Return which of the parameter groups have a wrong rate; an empty text where all have."""
    groups = [place + 1 for place in places]
    return (
        ""
        if len(groups) == count
        else f" of parameter group{'s' * (len(groups) > 1)} {', '.join(map(str, groups))} (of {count})"
    )


def _shown(one: Rates, other: Rates) -> str:
    """Return the numbers of an update in which it differs from another one."""
    differ = [a for a, b in zip(one, other, strict=False) if a != b] or list(one)
    return ", ".join(f"{value:.6g}" for value in dict.fromkeys(differ))


@clause(
    id="clock.schedule",
    statement="The learning rate of each update is the declared schedule's.",
    source=(
        "EvolvingLMMs-Lab/OneVision-Encoder#82, huggingface/accelerate#963, huggingface/diffusers#3954: "
        "the scheduler advances per micro-batch."
    ),
    decision="The rates of all groups when the optimizer is called, and the momenta that the schedule cycles, are "
    "compared with those of the schedule on a twin of the optimizer: within 1e-12 of the schedule's peak, and in "
    "float32 where a rate is kept so. A run has 12 updates (updates=). A step that a gradient scaler skips may advance "
    "the schedule or not. An example is decisive when a rate changes within the run.",
    view=View.TRAINING,
    refuted_by=("schedules-four-times", "warms-up-from-the-peak"),
    cases=of_updates,
    since=3,
)
def schedule(subject: Any, case: Any) -> Evidence:
    return told(clocked(subject, case))


@clause(
    id="clock.first-rate",
    statement="The learning rate of the first update is the schedule's at t = 0.",
    source="facebookresearch/fairseq#453: the first rate of a warm-up is its peak.",
    decision="As clock.schedule, for the first update alone. A rate of zero there is right where the schedule has it.",
    view=View.TRAINING,
    refuted_by=("warms-up-from-the-peak",),
    cases=of_updates,
    since=3,
)
def first_rate(subject: Any, case: Any) -> Evidence:
    found = clocked(subject, case)
    if not found.seen:
        return told(found)
    first = found._replace(seen=found.seen[:1], readings={how: plan[:1] for how, plan in found.readings.items()})
    if first.reading is None:
        return told(found)
    if not changes(found.plan):
        return workbench.vacuous("the schedule has one rate only")
    return workbench.agreement()


@clause(
    id="clock.order",
    statement="The scheduler steps after the optimizer: the rates are not the schedule's of the next update.",
    source="Since torch 1.1 a scheduler steps after its optimizer; before it, the first rate is never used.",
    decision="Explains a violated clock.schedule: a violation where the rates in force are the schedule's, one update "
    "early or late. A rate that is set before the step, or a schedule that is declared to begin at 1, is right.",
    level=Level.RECOMMENDED,
    view=View.TRAINING,
    refuted_by=("schedules-before-the-step",),
    cases=of_updates,
    since=3,
)
def order(subject: Any, case: Any) -> Evidence:
    found = clocked(subject, case)
    evidence = told(found)
    if not evidence.violated or is_shifted(found.seen, found.plan, found.share):
        return evidence
    return workbench.wrong_elsewise("the rates fail clock.schedule already, and are not those of the update beside")


def _without_schedule(subject: Any) -> str | None:
    return None if subject.declaration.schedule is not None else "no schedule= is declared"


CLAUSES = (schedule, first_rate, order)
IMPLEMENTATIONS = {one.id: Implementation(one.cases, one.examine, _without_schedule) for one in CLAUSES}
