"""The chapter step on training steps: the user's step trains a model, and each step is compared with U(w, g(w), s).

The statements are those of the chapter; here is how each is decided where the user's code owns the loop. Every step is
compared by itself: U starts from the weights that were seen before the step, so an early error is not counted again.
Allowed are 16 noise floors, measured on gdprops' own computation. A check then asks in which way a wrong step is wrong:
if a rival (U applied twice, the stale gradient, …) reproduces it, the clause about that rival is violated.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from gdprops.clauses.support.lazy import lazy
from gdprops.clauses.support.step_judges import StepJudge
from gdprops.model.clause import Implementation
from gdprops.model.evidence import Evidence
from gdprops.model.wording import plural

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from hypothesis.strategies import SearchStrategy

    from gdprops.clauses.support import workbench
    from gdprops.clauses.support.step_judges import Look
    from gdprops.clauses.support.watched_step import Arrays, Watched
    from gdprops.model.case import TrainCase
    from gdprops.model.domain import Domain
    from gdprops.model.training_run import TrainedSubject
else:
    workbench = lazy("gdprops.clauses.support.workbench")


def loops_of(domain: Domain) -> SearchStrategy[TrainCase]:
    """Return networks of two layers and more with 2 to 4 batches, some trained for 12 steps, in float64."""
    return workbench.loops(domain, workbench.Loop(double=True, frozen=False, longest=12, moderate=True))


def _frozen_loops(domain: Domain) -> SearchStrategy[TrainCase]:
    return workbench.loops(domain, workbench.Loop(least_depth=3, double=True, frozen=True, moderate=True))


def _one_batch(domain: Domain) -> SearchStrategy[TrainCase]:
    return workbench.loops(
        domain,
        workbench.Loop(least_steps=3, most_steps=5, same_batch=True, double=True, frozen=False, moderate=True),
    )


def agrees(step: Watched, rivals: Iterable[Arrays], what: str = "") -> Evidence:
    """Compare a step with U(w, g(w), s); the example is decisive if every rival can be told from the expected weights.

    The rivals are computed one by one, and none after the first that cannot be told.
    """
    if step.skipped:
        return workbench.vacuous("a gradient scaler skipped the step because the gradients are not finite")
    if step.noticed.stays:
        return workbench.violation(step.noticed.stays, blame=step.names)
    return workbench.compare(
        step.after,
        step.expected,
        names=step.names,
        allowed=step.allowed,
        start=step.before,
        rivals=rivals,
        step=step.number,
        what=what,
    )


def wrong_otherwise(step: Watched) -> Evidence:
    """Return evidence that a step is wrong, but in a way that another clause is about.

    Where the weights overflowed, it cannot be seen in which way the step is wrong.
    """
    if not step.is_finite:
        return workbench.vacuous("the weights overflow, so it cannot be seen in which way the step is wrong")
    return workbench.wrong_elsewise("a step already fails step.simultaneous, but not in this way")


@StepJudge
def simultaneous(subject: TrainedSubject, case: TrainCase) -> Look:
    """Look at step.simultaneous: every step equals U(w, g(w), s). The rival is a sweep, the last layer first."""
    return agrees_everywhere()


def agrees_everywhere(what: str = "") -> Look:
    """Compare every step with U(w, g(w), s). The rival is a sweep that moves the last layer first."""
    return agrees_but(lambda step: (step.last_layer_first(),), what=what)


def agrees_but(
    rivals: Callable[[Watched], Iterable[Arrays]],
    judge: Callable[[Watched], Evidence | None] = lambda step: None,
    *,
    first: int = 1,
    what: str = "",
) -> Look:
    """Compare the steps, from number ``first`` on, with U(w, g(w), s).

    ``judge`` may return evidence about a step; the comparison then ends with this evidence. Rivals are costly: once a
    step was decisive, the following steps are compared without rivals.
    """
    parts, told = list[Evidence](), False
    while (step := (yield)) is not None:
        judged = judge(step)
        if judged is not None:
            return judged
        if step.number >= first:
            parts.append(agrees(step, () if told else rivals(step), what))
            told = told or parts[-1].decisive
    return workbench.combine(parts)


@partial(StepJudge, to_the_end=True)
def moves_all(subject: TrainedSubject, case: TrainCase) -> Look:
    """What U moves clearly at some step is seen moving at some step, and what has no gradient stays where it is.

    Where neither moves anything, although a gradient at the rate in force would, only the whole run can tell: what the
    optimizer holds may be dead in one example, and a declared rule may want nothing there.
    """
    tally, holds = _Tally(), True
    while (step := (yield)) is not None:
        tally.add(step)
        holds = holds and any(step.held)
    if not holds and not any(tally.did):  # what the step moves by hand, it need not hold
        told = "the optimizer holds none of the model's parameters"
        return workbench.violation(told, blame=tally.names, demand=workbench.Demand("seen != before"))
    if not any(tally.should) and not any(tally.did) and tally.pulled:
        if tally.held_pulled and not tally.declared:
            told = "nothing moves, and the optimizer's own update moves nothing"
            return workbench.violation(told, blame=tally.names, demand=workbench.Demand("seen != before"))
        return _still(tally)
    found = tally.told() or _moved(tally)
    return replace(found, silent=frozenset[str]()) if any(tally.did) else found


def _moved(tally: _Tally) -> Evidence:
    """Return that nothing rests that should move, and nothing moves that should rest."""
    if not any(tally.should):
        return workbench.vacuous("U moves nothing in this example")
    if tally.wrong:
        return workbench.wrong_elsewise("a step already fails step.simultaneous, but everything moves that should")
    return workbench.agreement()


def _still(tally: _Tally) -> Evidence:
    """Return that nothing moved, which is a violation where it is so in every example."""
    holds = "" if tally.holds else ": the optimizer holds no parameter that is trained"
    told = f"{{names}} moves nothing, although parameters that are trained have gradients{holds}"
    found = workbench.vacuous("neither the step nor U moves anything here")
    demand = workbench.Demand("seen != before")
    return replace(found, silent=frozenset({"the step"}), silence=told, demand=demand)


class _Tally:
    """Over all steps: which parameters U moves, which were seen to move, and which never had a reason to move."""

    def __init__(self) -> None:
        self.names: tuple[str, ...] = ()
        self.should, self.did, self.absent = list[bool](), list[bool](), list[bool]()
        self.steps, self.wrong, self.holds = 0, False, False
        self.pulled, self.held_pulled, self.declared = False, False, False

    def told(self) -> Evidence | None:
        """Return a violation if a parameter never moves but should, or moves without a gradient; else None."""
        rows = zip(self.names, self.should, self.did, self.absent, strict=True)
        told = {
            name: f"{name} never moves" if moves and not moved else f"{name} moves without a gradient"
            for name, moves, moved, alone in rows
            if any(self.should) and (moves > moved or (moved and alone))
        }
        found = f"in {plural(self.steps, 'step')} {', '.join(told.values())}"
        if not told:
            return None
        first, rests = next(iter(told)), next(iter(told.values())).endswith("never moves")
        i = self.names.index(first)
        demand = workbench.Demand(f"seen[{i}] {'!=' if rests else '=='} before[{i}]")
        return workbench.violation(found, blame=tuple(told), demand=demand)

    def add(self, step: Watched) -> None:
        """Add one step to the record."""
        count = len(step.names)
        self.names, self.steps = step.names, self.steps + 1
        should, did = step.moved_by_u(), step.moved()
        self.should = [a or b for a, b in zip(self.should or [False] * count, should, strict=True)]
        self.did = [a or b for a, b in zip(self.did or [False] * count, did, strict=True)]
        self.absent = [a and step.is_left_alone(i) for i, a in enumerate(self.absent or [True] * count)]
        self.wrong, self.declared = self.wrong or step.wrong, not step.run.is_anchored
        self.holds = self.holds or any(h and t for h, t in zip(step.held, step.trainable, strict=True))
        pulled = pulled_at_its_rate(step)
        self.pulled = self.pulled or any(pulled)
        self.held_pulled = self.held_pulled or any(p and h for p, h in zip(pulled, step.held, strict=True))


def pulled_at_its_rate(step: Watched) -> list[bool]:
    """Return which parameters have a gradient that at the largest rate in force is more than rounding of the weights.

    None is where a gradient scaler skips the step, or where no optimizer says what its rate is.
    """
    settings = step.settings or (step.state[1] if step.state else [])
    rates = [1.0 if group.get("lr") is None else abs(float(group["lr"])) for group in settings]
    if step.skipped or not rates:
        return [False] * len(step.names)
    return [step.is_pulled(i, max(rates)) for i in range(len(step.names))]


def frozen_untouched(subject: TrainedSubject, case: TrainCase) -> Evidence:
    """Decide step.frozen-untouched: a parameter with requires_grad=False keeps its bytes."""
    return workbench.combine(frozen_alike(step) for step in workbench.stream(subject, case))


def frozen_alike(step: Watched) -> Evidence:
    """Compare the bytes of the frozen parameters before and after one step."""
    frozen = [i for i, trains in enumerate(step.trainable) if not trains]
    return same_where(step, frozen, "a frozen parameter moved")


def same_where(step: Watched, frozen: Sequence[int], what: str) -> Evidence:
    """Compare some parameters before and after one step, byte for byte."""
    if not frozen:
        return workbench.vacuous("no parameter is frozen")
    if not workbench.are_finite(step.expected):
        return workbench.vacuous("the expected weights are not finite")
    names = [step.names[i] for i in frozen]
    now, then = [step.after[i] for i in frozen], [step.before[i] for i in frozen]
    return workbench.same_bytes(now, then, names=names, what=what, step=step.number)


@partial(StepJudge, remembers=True)
def fresh_gradient(subject: TrainedSubject, case: TrainCase) -> Look:
    """Look at step.fresh-gradient: a wrong step after step 1 is not what a stale, a summed or no gradient gives."""
    return agrees_but(
        lambda step: (rival for rival, _ in step.gradient_rivals()),
        lambda step: _of_another_gradient(step, subject, case) if step.wrong else None,
        first=2,
    )


def _of_another_gradient(step: Watched, subject: TrainedSubject, case: TrainCase) -> Evidence:
    """Judge a wrong step: a violation if a stale gradient, a sum of gradients or no gradient reproduces it.

    The run is repeated to keep the gradients of all its steps. The first run does not keep them, because large models
    would need too much memory.
    """
    if step.number == 1:
        return workbench.wrong_elsewise("step 1 already fails step.simultaneous")
    wrong = workbench.watch(subject, case)[-1]
    used = next((what for rival, what in wrong.gradient_rivals() if wrong.equals(rival)), None)
    if used is None:
        return wrong_otherwise(wrong)
    return agrees(wrong, (), f"the step used {used}")


@StepJudge
def once(subject: TrainedSubject, case: TrainCase) -> Look:
    """One call gives one update: applied twice must be distinguishable, and must not be what is seen."""
    return agrees_but(
        lambda step: (step.applied_twice(),),
        lambda step: _more_than_once(step, subject, case),
    )


def _more_than_once(step: Watched, subject: TrainedSubject, case: TrainCase) -> Evidence | None:
    """Say whether a step is an update applied twice; where later ones can be judged too, all wrong ones must be.

    A rate that no scheduler reaches any more moves twice as far at one step, and four times at the next.
    """
    if step.wrong:
        twice = step.equals(step.applied_twice()) and _later_ones_too(step, subject, case)
        return agrees(step, (), "the update is applied twice") if twice else wrong_otherwise(step)
    if not step.clocks:
        return None
    name, seen, expected = step.clocks[0]
    told = f"after step {step.number} the clock of {name} stands at {seen:g}; one update leaves {expected:g}"
    state = f"built[1].state[list(model.parameters())[{step.names.index(name)}]]['step']"
    return workbench.violation(told, blame=(name,), demand=workbench.Demand(f"{state} == {expected:g}"))


def _later_ones_too(step: Watched, subject: TrainedSubject, case: TrainCase) -> bool:
    if not step.run.is_anchored or step.number == len(case.batches):
        return True
    later = (one for one in workbench.watch(subject, case, to_the_end=True) if one.number > step.number and one.wrong)
    return all(one.is_at(one.applied_twice()) for one in later)


def trains(subject: TrainedSubject, case: TrainCase) -> Evidence:
    """Decide step.trains and step.loss-falls: where U(w, g(w), s) lowers the loss clearly, the step lowers it too."""
    return all_fall(workbench.stream(subject, case))


def all_fall(steps: Iterable[Watched]) -> Evidence:
    """Compare the losses of all steps.

    After the first decisive step, a step that lowers the loss agrees: how far U would lower it is not computed.
    """
    parts, told = list[Evidence](), False
    for step in steps:
        seen = step.loss(step.after)
        parts.append(workbench.agreement() if told and seen < step.loss_before else _falls(step, seen))
        told = told or parts[-1].decisive
    return workbench.combine(parts)


def _falls(step: Watched, seen: float) -> Evidence:
    start, promised = step.loss_before, seen if step.is_exact else step.loss(step.expected)
    if not start > promised or not start - promised > step.loss_noise(start):
        return workbench.vacuous("U does not lower the loss clearly")
    told = f"at step {step.number} the loss goes {start:g} → {seen:g}; one simultaneous update gives {promised:g}"
    return workbench.require(seen < start, told, workbench.LOSS_FALLS)


def _nothing_frozen(subject: Any) -> str | None:
    """Return why the clause does not apply, or None: gdprops freezes no parameters of a user's own model by itself."""
    return None if subject.own is None or subject.habits.freezes else "the user's own model has no frozen parameter"


IMPLEMENTATIONS = {
    "step.simultaneous": Implementation(loops_of, simultaneous),
    "step.moves-all": Implementation(loops_of, moves_all),
    "step.frozen-untouched": Implementation(_frozen_loops, frozen_untouched, _nothing_frozen),
    "step.fresh-gradient": Implementation(loops_of, fresh_gradient),
    "step.trains": Implementation(_one_batch, trains),
    "step.loss-falls": Implementation(_one_batch, trains),
}
