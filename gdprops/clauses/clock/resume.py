"""Chapter clock: a training that is saved and loaded goes on as if it had not been interrupted.

The user's step trains for some updates and is saved; a fresh one, built anew, loads that and goes on with the same
batches and random numbers. What it does must be, bit for bit, what the first one does when it simply goes on. A rate
that is counted in a variable of the loop, for example, begins anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from gdprops.clauses.support.lazy import lazy
from gdprops.model.clause import Implementation, Level, View, clause

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from hypothesis.strategies import SearchStrategy

    from gdprops.clauses.support import workbench
    from gdprops.model.domain import Domain
    from gdprops.model.evidence import Evidence
    from gdprops.model.training_run import StepTraining
else:
    np = lazy("numpy")
    workbench = lazy("gdprops.clauses.support.workbench")

UPDATES, SAVED_AFTER = 5, 2


def _five_updates(domain: Domain) -> SearchStrategy[Any]:
    """Return loops that are saved in their midst."""
    loop = workbench.Loop(double=True, frozen=False, moderate=True, least_steps=UPDATES, most_steps=UPDATES)
    return workbench.loops(domain, loop)


class _Stand(NamedTuple):
    """Where a training stands after an update: its weights, the rates in force, and its average, if it has one."""

    weights: list[Any]
    rates: list[Any]
    average: list[Any]


@clause(
    id="clock.resume",
    statement="What save and load keep goes on bit for bit.",
    source="KempnerInstitute/KempnerForge#114, pytorch/pytorch#35047: the whole loop does not resume bit for bit.",
    decision="A training step whose build returns save and load: it is saved after 2 updates, and a fresh build that "
    "loads this takes the next 3 on the same batches and random numbers. Weights, rates and the average must be those "
    "of the training that goes on, as bytes. save() returns what load(saved) is given, or save(path) writes a file. An "
    "example is decisive when the weights move after it was saved.",
    view=View.TRAINING,
    refuted_by=("saves-no-optimizer", "saves-no-count"),
    cases=_five_updates,
    since=3,
)
def resume(subject: Any, case: Any) -> Evidence:
    return _resumed(subject, case, "what save and load do not keep")


@clause(
    id="clock.resume-states",
    statement="The state_dicts of model, optimizer, scheduler, scaler and average are enough to go on bit for bit.",
    source="pytorch/pytorch#35047: what the loop keeps beside its state_dicts is lost when it resumes.",
    decision="As clock.resume, for a build that returns a dict or an object without save and load: the state_dict of "
    "each part that it returns is loaded into those of a fresh build. Recommended: a loop may keep counts of its own, "
    "and save them elsewhere.",
    level=Level.RECOMMENDED,
    view=View.TRAINING,
    refuted_by=("counts-outside-its-states",),
    cases=_five_updates,
    since=3,
)
def resume_states(subject: Any, case: Any) -> Evidence:
    return _resumed(subject, case, "not saved: what is kept outside the state_dicts")


def _resumed(subject: Any, case: Any, lost: str) -> Evidence:
    plain = list(_stands(subject.begin(case), 0))
    run: StepTraining = subject.begin(case)
    before = [stand for _, stand in zip(range(SAVED_AFTER), _stands(run, 0), strict=False)]
    if len(before) < SAVED_AFTER or len(plain) <= SAVED_AFTER:
        return workbench.vacuous("the loop diverges by itself")
    kept, random = run.resuming.save(), run.random_numbers
    fresh: StepTraining = subject.begin(case)
    fresh.weights()
    fresh.resuming.load(kept)
    fresh.go_on_from(random, SAVED_AFTER)
    loaded = _difference(before[-1], _stand(fresh), fresh.names, rates=False)
    if loaded:
        return workbench.violation(f"right after loading {loaded}: {lost}")
    for t, (there, here) in enumerate(zip(plain[SAVED_AFTER:], _stands(fresh, SAVED_AFTER), strict=False), SAVED_AFTER):
        told = _difference(there, here, fresh.names, rates=True)
        if told:
            if not _repeats(subject, case, plain):
                return workbench.vacuous("the step is not deterministic: two runs without an interruption differ")
            said = f"saved after update {SAVED_AFTER} and loaded: at update {t + 1} {told}"
            return workbench.violation(f"{said}: {lost}")
    moves = any(not np.array_equal(a, b) for a, b in zip(plain[-1].weights, before[-1].weights, strict=True))
    return workbench.agreement() if moves else workbench.vacuous("nothing moves after it was saved")


def _stands(run: StepTraining, first: int) -> Iterator[_Stand]:
    """Let the user's step train from call ``first`` on; yield where it stands after each call."""
    run.weights()
    for t in range(first, run.batches):
        run.step(t)
        if not workbench.are_finite(run.now()):
            return
        yield _stand(run)


def _stand(run: StepTraining) -> _Stand:
    rates = [group.get("lr") for group in run.called_with() or []]
    return _Stand([w.copy() for w in run.now()], list(map(_number, rates)), [a.copy() for a in run.averages()])


def _number(rate: Any) -> float | None:
    return None if rate is None else float(rate)


def _difference(there: _Stand, here: _Stand, names: tuple[str, ...], *, rates: bool) -> str:
    """Return what differs first, in words; empty where nothing does."""
    if rates and there.rates != here.rates:
        pairs = [(a, b) for a, b in zip(here.rates, there.rates, strict=False) if a != b]
        return f"the rate is {pairs[0][0]:.6g}, without an interruption {pairs[0][1]:.6g}" if pairs else "groups differ"
    wrong = [name for name, a, b in zip(names, there.weights, here.weights, strict=True) if a.tobytes() != b.tobytes()]
    if wrong:
        return f"{', '.join(wrong)} {'is' if len(wrong) == 1 else 'are'} not as without an interruption"
    if any(a.tobytes() != b.tobytes() for a, b in zip(there.average, here.average, strict=False)):
        return "the average is not as without an interruption"
    return ""


def _repeats(subject: Any, case: Any, plain: list[_Stand]) -> bool:
    again = list(_stands(subject.begin(case), 0))
    names = tuple(str(k) for k in range(len(plain[0].weights)))
    return not any(_difference(a, b, names, rates=True) for a, b in zip(plain, again, strict=False))


def _without_own(subject: Any) -> str | None:
    return None if subject.habits.saves else "build returns no save and load"


def _without_parts(subject: Any) -> str | None:
    if subject.habits.saves:
        return "build returns save and load: clock.resume is about them"
    as_one = subject.habits.step_at in ("['step']", ".step") and subject.habits.returns_optimizer
    return None if as_one else "build does not return all parts with a state in one dict or object"


CLAUSES = (resume, resume_states)
IMPLEMENTATIONS = {
    "clock.resume": Implementation(resume.cases, resume.examine, _without_own),
    "clock.resume-states": Implementation(resume_states.cases, resume_states.examine, _without_parts),
}
