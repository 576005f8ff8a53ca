"""Chapter step, where several optimizers take turns: each phase is one step of its optimizer by its own objective.

A GAN trains its critic five times and then its generator; an actor-critic moves its critic, its actor and a slow copy
of both. The user declares the order and the objectives (``phases=``); each call of an optimizer is then a step like any
other, from the weights where its phase begins. The typical fault is a gradient that one phase's backward leaves on the
parameters of another one, which then steps by it.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import TYPE_CHECKING, Any

from gdprops.clauses.support.lazy import lazy
from gdprops.model.clause import Implementation, View, clause
from gdprops.model.evidence import Evidence
from gdprops.model.note import Note, distinct
from gdprops.model.wording import plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    from hypothesis.strategies import SearchStrategy

    from gdprops.clauses.support import phase_rivals, phase_steps, workbench
    from gdprops.clauses.support.phase_steps import JudgedCall
    from gdprops.model.domain import Domain
    from gdprops.subjects.training_step.phase_declaration import Slot
    from gdprops.subjects.training_step.phases.call_log import CallLog
    from gdprops.subjects.training_step.phases.run import PhasedRun
else:
    np = lazy("numpy")
    workbench = lazy("gdprops.clauses.support.workbench")
    phase_steps = lazy("gdprops.clauses.support.phase_steps")
    phase_rivals = lazy("gdprops.clauses.support.phase_rivals")


def _until_all_are_called(domain: Domain) -> SearchStrategy[Any]:
    """Return loops in which every optimizer is called."""
    least = max(2, domain.shown_after)
    loop = workbench.Loop(double=True, frozen=False, moderate=True, least_steps=least, most_steps=least + 2)
    return workbench.loops(domain, loop)


@clause(
    id="step.phases",
    statement="Each phase is one step of its optimizer, by the gradient of its own objective, in the declared order.",
    source=(
        "Lightning-AI/pytorch-lightning#557: a gradient left by another optimizer's loss; "
        "Toni-SM/skrl#425, watchernyu/REDQ#3: the actor's gradient "
        "moves the critic."
    ),
    decision="A training step with phases=. Every call of an optimizer is compared with U(w, g(w), s), within 16 noise "
    "floors: its own parameters at the weights where the phase begins, those of other phases there or as the step has "
    "found them (with together=True all are as found, in any order). Random numbers that the step draws are recorded "
    "and given to the objective by shape, in order; where they do not fit, nothing is decided. Whole phases may be "
    "skipped. "
    "Between the phases nothing moves but targets and what after= declares. What trains= names is held by an optimizer "
    "and requires gradients, and what frozen= names keeps its bytes. An example is decisive when every phase "
    "was called and U clearly moves something in each.",
    view=View.TRAINING,
    refuted_by=(
        "leaves-the-actors-gradient-on-the-critic",
        "never-clears-the-generator",
        "swaps-the-phases",
        "clips-weights-undeclared",
        "forgets-to-clip-the-critic",
    ),
    cases=_until_all_are_called,
    since=3,
)
def phases(subject: Any, case: Any) -> Evidence:
    declared, seen = subject.declaration.phases, _Seen()
    for run, t, log in phase_steps.calls_of(subject, case):
        seen.begin(run, log)
        readings = declared.readings([call.optimizer for call in log.calls])
        if not readings:
            return workbench.with_notes(_in_another_order(declared.told, log, t), *seen.notes)
        ways = [_told_of_call(run, t, log, slots, seen) for slots in readings]
        wrong = _otherwise_than_declared(run, log, t) or min(ways, key=lambda way: way is not None)
        wrong = wrong or seen.between(run, log)
        if wrong is not None:
            return workbench.with_notes(wrong, *seen.notes)
        seen.end(log, readings[ways.index(None)])
    return workbench.with_notes(seen.told(len(declared.phases)), *seen.notes)


def _otherwise_than_declared(run: PhasedRun, log: CallLog, t: int) -> Evidence | None:
    """Return a violation of ``trains=`` or ``frozen=``, None where nothing is declared or all is as declared."""
    held = {i for own in run.held.values() for i in own}
    said = [(i, role) for i, role in enumerate(run.roles) if role is not None]
    moved = [i for i, role in said if role.rests_at(1) and not np.array_equal(log.began[i], log.ended[i])]
    if moved:
        names = _names(run, moved)
        return workbench.violation(f"{', '.join(names)}: declared frozen, and moved in call {t + 1}", blame=names)
    for what, found in (
        ("and frozen (requires_grad=False)", [i for i, role in said if not role.rests_at(1) and not run.trainable[i]]),
        ("and held by no optimizer", [i for i, role in said if not role.rests_at(1) and i not in held]),
    ):
        if found:
            names = _names(run, found)
            return workbench.violation(f"{', '.join(names)}: declared to train (trains=), {what}", blame=names)
    return None


def _in_another_order(declared: str, log: CallLog, t: int) -> Evidence:
    told = ", ".join(f"{call.optimizer}{_at(call.place)}" for call in log.calls)
    return workbench.violation(f"in call {t + 1} the optimizers step in this order: {told}; declared: {declared}")


def _at(place: Any) -> str:
    return "" if place is None else f" ({place})"


def _told_of_call(run: PhasedRun, t: int, log: CallLog, slots: Sequence[Slot], seen: _Seen) -> Evidence | None:
    """Compare every step of an optimizer in one call; return the first violation, None where there is none."""
    for slot, call in zip(slots, log.calls, strict=True):
        one = phase_steps.judged(run, t, log, slot, call)
        if not (one.right or one.undecided):
            return _violation(run, t, log, seen, one)
        seen.judges(one, _readings(run, t, one, seen) if one.right else ())
    return None


def _violation(run: PhasedRun, t: int, log: CallLog, seen: _Seen, one: JudgedCall) -> Evidence:
    what = phase_rivals.instead(run, t, log, seen.before, one)
    phase = run.phases.phases[one.slot.phase]
    number = f", step {one.slot.k + 1} of {phase.steps}" if phase.steps > 1 else ""
    told = f"{phase.optimizer}{_at(one.call.place)}{number} {what or 'does not step by the gradient of its objective'}"
    own = list(one.own)
    return workbench.compare(
        [one.call.left[i] for i in own],
        [one.expected[i] for i in own],
        names=[run.names[i] for i in own],
        allowed=[one.allowed[i] for i in own],
        start=[one.call.door[i] for i in own],
        step=t + 1,
        what=told,
    )


def _readings(run: PhasedRun, t: int, one: JudgedCall, seen: _Seen) -> Iterator[Note]:
    """Yield where a phase reads what other phases have moved, the first time that it makes a difference."""
    name, look = one.call.optimizer, one.view.look
    for other in (*look.found, *look.moved):
        if (name, other) in seen.told_of:
            continue
        group = run.groups(one.own).get(other, ())
        at = list(look.at)
        for i in group:
            at[i] = one.call.door[i] if other in look.found else seen.began[i]
        if one.differs_from(one.view.update(one.view.of_phase(run.phases.phases[one.slot.phase], at, t))):
            seen.told_of.add((name, other))
            how = "as the step found it" if other in look.found else "where its phase has left it"
            yield Note(f"the phase {name} reads {other} {how}")


class _Seen:
    """What was seen of the calls of the step so far: what is decided, notes, and what ``after=`` has still to do."""

    def __init__(self) -> None:
        self.before: CallLog | None = None
        self.began = list[Any]()
        self.told_of, self.notes = set[tuple[str, str]](), tuple[Note, ...]()
        self._decided, self._undecided = dict[int, bool](), dict[int, str]()
        self._names, self._calls, self._waits = list[str](), 0, dict[str, Any]()
        self._cleared = dict[str, None]()

    def begin(self, run: PhasedRun, log: CallLog) -> None:
        """Note where a call of the step begins, and what is to be told of the declaration."""
        self.began, self._names = log.began, [phase.optimizer for phase in run.phases.phases]
        for one, two in combinations(run.phases.phases, 2):
            if one.objective is two.objective and one.optimizer != two.optimizer:
                self.tell(f"{one.optimizer} and {two.optimizer} have one objective: layer by layer, as declared")
        for (a, of_a), (b, of_b) in combinations(run.held.items(), 2):
            both = sorted(set(of_a) & set(of_b))
            if both:
                self.tell(f"{run.names[both[0]]}{' and others are' if both[1:] else ' is'} held by {a} and by {b}")

    def judges(self, one: JudgedCall, notes: Iterable[Note]) -> None:
        """Remember a step that is right, or that cannot be decided."""
        phase = one.slot.phase
        if one.undecided:
            self._undecided[phase] = one.undecided
            return
        self.notes = distinct((*self.notes, *notes))
        self._decided[phase] = self._decided.get(phase, False) or one.moves

    def end(self, log: CallLog, slots: Sequence[Slot]) -> None:
        """Remember a call of the step in which nothing is wrong."""
        self.before, self._calls = log, self._calls + 1
        for k, name in enumerate(self._names):
            if k not in {slot.phase for slot in slots}:
                self.tell(f"calls of the step skip the phase {name}")
        self._cleared |= dict.fromkeys(_cleared(log))

    def told(self, many: int) -> Evidence:
        """Return what all calls show: agreement where every phase was decided."""
        for phase, why in self._undecided.items():
            if not self._decided.get(phase):
                return workbench.vacuous(why)
            self.tell(f"some steps of a phase are not decided: {why}")
        for phase in range(many):
            if phase not in self._decided:
                calls = plural(self._calls, "call")
                return workbench.vacuous(f"the phase {self._names[phase]} is never reached in {calls} of the step")
            if not self._decided[phase]:
                return workbench.vacuous(f"U moves nothing in the phase {self._names[phase]}")
        self.tell(*self._cleared)
        return workbench.agreement()

    def tell(self, *texts: str) -> None:
        """Add sentences to what is told beside the outcome."""
        self.notes = distinct((*self.notes, *map(Note, texts)))

    def between(self, run: PhasedRun, log: CallLog) -> Evidence | None:
        """Compare the weights where a segment ends with those where it began: only what is declared may have moved."""
        free = {i for name in run.phases.targets for i in run.of_prefix(name)}
        held = {i for own in run.held.values() for i in own}
        ends = [*(call.door for call in log.calls), log.ended]
        starts = [log.began, *(call.left for call in log.calls)]
        for segment, (start, end) in enumerate(zip(starts, ends, strict=True)):
            moved = [i for i in range(len(end)) if i not in free and not np.array_equal(start[i], end[i])]
            loose = [i for i in moved if i not in held]
            if loose:
                names = ", ".join(run.names[i] for i in loose)
                self.tell(f"{names}: moved by the step and held by no optimizer; how is not checked without targets=")
            wrong = self._undeclared(run, log, segment, start, end, [i for i in moved if i in held])
            if wrong is not None:
                return wrong
        return None

    def _undeclared(
        self, run: PhasedRun, log: CallLog, segment: int, start: Any, end: Any, moved: list[int]
    ) -> Evidence | None:
        after = log.calls[segment - 1].optimizer if segment else ""
        for name in run.phases.after:
            projected = run.followed_by(name, start)
            applied = [i for i in moved if np.array_equal(projected[i], end[i])]
            moved = [i for i in moved if i not in applied]
            own = run.held[name]
            due = name == after and any(not np.array_equal(projected[i], start[i]) for i in own)
            if applied or not any(not np.array_equal(projected[i], start[i]) for i in own):
                self._waits.pop(name, None)
            elif due:
                self._waits[name] = log.calls[segment - 1].place
            if name in self._waits and segment < len(log.calls) and log.calls[segment].optimizer == name:
                told = f"what after= declares for {name} is not applied before {name} steps again"
                return workbench.violation(f"{told}{_at(log.calls[segment].place)}", blame=_names(run, own))
        if not moved:
            return None
        line = log.place_of_write(segment, moved)
        by = "between the phases" if line is None else f"by {line}"
        when = f"after {after}'s step{_at(log.calls[segment - 1].place)}" if after else "before the first phase"
        blame = _names(run, moved)
        owner = next(name for name, own in run.held.items() if moved[0] in own)
        advice = f'; what belongs to a step of {owner} is declared with after={{"{owner}": function}}'
        return workbench.violation(f"{', '.join(blame)}: moved {when} {by}{advice}", blame=blame)


def _cleared(log: CallLog) -> Iterator[str]:
    """Yield whose backward also reaches what another phase moves, in a call in which every step is right."""
    for at, call in enumerate(log.calls):
        for number, other in enumerate(log.calls):
            reached = {d.parameter for d in log.deposits if d.segment == at} & set(other.gradients)
            if other.optimizer != call.optimizer and reached - set(call.gradients) and number != at:
                left = f"leaves gradients on what {other.optimizer} holds"
                yield f"{call.optimizer}'s backward also {left}; they are cleared"


def _names(run: PhasedRun, of: Sequence[int]) -> tuple[str, ...]:
    return tuple(run.names[i] for i in of)


def _without_phases(subject: Any) -> str | None:
    return None if subject.declaration.phases is not None else "no phases= are declared"


CLAUSES = (phases,)
IMPLEMENTATIONS = {"step.phases": Implementation(phases.cases, phases.examine, _without_phases)}
