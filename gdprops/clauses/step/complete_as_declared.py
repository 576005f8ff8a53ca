"""Chapter step, where the user owns the loop: what is declared to train is held, and what is declared to rest rests.

``trains="head.*"`` and ``frozen={"body.*": range(1, 4)}`` say in which steps each parameter trains. What is frozen in
the model that ``build`` is given counts as declared frozen, once anything is declared and nothing else is said of it.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from gdprops.clauses.implementations import training_step
from gdprops.clauses.support.lazy import lazy
from gdprops.clauses.support.step_judges import StepJudge
from gdprops.model.clause import Implementation, View, clause
from gdprops.model.declared_parameters import Role
from gdprops.model.evidence import Evidence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypothesis.strategies import SearchStrategy

    from gdprops.clauses.support import workbench
    from gdprops.clauses.support.step_judges import Look
    from gdprops.clauses.support.watched_step import Watched
    from gdprops.model.case import TrainCase
    from gdprops.model.domain import Domain
    from gdprops.model.training_run import StepTraining
else:
    workbench = lazy("gdprops.clauses.support.workbench")


def _long_enough(domain: Domain) -> SearchStrategy[Any]:
    """Return loops that reach the steps at which what is declared changes, as far as they may be long."""
    least = max(2, domain.shown_after)
    loop = workbench.Loop(double=True, frozen=False, moderate=True, least_steps=least, most_steps=least + 2)
    return workbench.loops(domain, loop)


@clause(
    id="step.complete-as-declared",
    statement="What is declared to train is held by the optimizer, and what is declared frozen rests, at the stated "
    "steps.",
    source=(
        "zjunlp/HVPNeT#5: a parameter group is never appended; ultralytics/yolov5#1213, "
        "pytorch/torchtitan#3438: what was frozen trains."
    ),
    decision="A training step with trains= or frozen=, patterns of the names that parameters have after build. A "
    "frozen parameter must keep its bytes at every step at which it rests. A parameter that trains must require "
    "gradients and be in a group of the optimizer at a step at which it trains, or move there: it need not have a "
    "gradient. Where steps are stated, or build returns no optimizer, it must move at one of them if U moves it.",
    view=View.TRAINING,
    refuted_by=("leaves-the-declared-out", "unfreezes-the-declared", "unfreezes-too-early"),
    cases=_long_enough,
    since=3,
)
@partial(StepJudge, to_the_end=True)
def complete_as_declared(subject: Any, case: TrainCase) -> Look:
    rests, trained = list[Evidence](), _Trained(optimizer=subject.habits.returns_optimizer)
    while (step := (yield)) is not None:
        run: StepTraining = step.run  # type: ignore[assignment] # the clause is about training steps alone
        rests.append(_rests(step, run, told=any(part.decisive for part in rests)))
        if rests[-1].violated:
            return rests[-1]
        trained.add(step, run)
    return trained.told() or workbench.combine([*rests, *[workbench.agreement()] * trained.is_decisive])


def _rests(step: Watched, run: StepTraining, *, told: bool) -> Evidence:
    """Compare the bytes of what is declared to rest at a step; decisive where any of it would have a gradient."""
    resting = [i for i, role in enumerate(run.roles) if role is not None and role.rests_at(step.number)]
    if not resting:
        return workbench.vacuous("nothing is declared to rest at these steps")
    found = training_step.same_where(step, resting, "declared frozen, and moved")
    if found.violated or not found.decisive or told:
        return found
    grads = run.gradients_unfrozen(step.before, step.batch)
    pulled = any(grads[i] is not None and bool(grads[i].any()) for i in resting)  # type: ignore[union-attr] # is there
    return found if pulled else workbench.vacuous("what is declared frozen would have no gradient")


class _Trained:
    """Over the steps at which parameters are declared to train: which of them can, and do."""

    def __init__(self, *, optimizer: bool) -> None:
        self._optimizer, self._names = optimizer, tuple[str, ...]()
        self._roles, self._wanted = dict[int, Role](), dict[int, int]()
        self._required, self._served, self._moved = set[int](), set[int](), set[int]()

    def add(self, step: Watched, run: StepTraining) -> None:
        """Add one step; one that a gradient scaler skips says nothing."""
        self._names = step.names
        trained = {i: role for i, role in enumerate(run.roles) if role is not None and not role.rests_at(step.number)}
        if step.skipped or not trained:
            return
        self._roles |= trained
        moved = step.moved()
        self._moved |= {i for i in trained if moved[i]}
        self._served |= {i for i in trained if moved[i] or step.held[i]}
        self._required |= {i for i in trained if moved[i] or step.trainable[i] or run.trains_now[i]}
        judged = [i for i, role in trained.items() if (role.steps or not self._optimizer) and i not in self._moved]
        by_u = step.moved_by_u() if judged else []
        self._wanted = {i: step.number for i in judged if by_u[i]} | self._wanted

    @property
    def is_decisive(self) -> bool:
        """Whether anything that is declared to train was seen to be held or to move."""
        return bool(self._served if self._optimizer else self._moved)

    def told(self) -> Evidence | None:
        """Return a violation if anything that is declared to train does not, else None."""
        frozen = [i for i in self._roles if i not in self._required]
        if frozen:
            return self._violation(frozen, "and frozen (requires_grad=False)")
        missing = [i for i in self._roles if i not in self._served] if self._optimizer else []
        if missing:
            return self._violation(missing, "and in no group of the optimizer")
        resting = [i for i in self._wanted if i not in self._moved]
        return self._violation(resting, f"and at rest at step {self._wanted[resting[0]]}") if resting else None

    def _violation(self, found: Sequence[int], what: str) -> Evidence:
        some = sorted(found)
        names, by = [self._names[i] for i in some], " and ".join(sorted({self._roles[i].told for i in some}))
        demand = workbench.Demand(f"seen[{some[0]}] != before[{some[0]}]")
        return workbench.violation(
            f"{', '.join(names)}: declared to train ({by}), {what}", blame=tuple(names), demand=demand
        )


def _nothing_declared(subject: Any) -> str | None:
    return None if subject.declaration.parameters else "neither trains= nor frozen= is declared"


IMPLEMENTATIONS = {
    "step.complete-as-declared": Implementation(
        complete_as_declared.cases, complete_as_declared.examine, _nothing_declared
    )
}
CLAUSES = (complete_as_declared,)
