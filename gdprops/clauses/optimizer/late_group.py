"""Chapter optimizer, continued: a parameter group that is added after some steps.

Layers are unfrozen while a model trains, so `add_param_group` is called in the middle of a run. An optimizer that
copied its list of parameters when it was built never moves the new ones. An optimizer that keeps a single clock gives
them the bias correction of a later step.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gdprops.clauses.support.fed_subjects import FED, REPEATABLE, SEPARABLE, counting_alike, same_steps
from gdprops.clauses.support.lazy import lazy
from gdprops.errors import SubjectCrash, Unsupported
from gdprops.model.clause import Needs, View, clause

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gdprops.clauses.support import workbench
    from gdprops.clauses.support.optimizer_runs import Weights
    from gdprops.model.case import UpdateCase
    from gdprops.model.evidence import Evidence
    from gdprops.model.subject import FedSubject
else:
    workbench = lazy("gdprops.clauses.support.workbench")


@clause(
    id="optimizer.late-group",
    statement="A parameter group that is added after some steps moves, and moves as it would in a fresh optimizer.",
    source="torch.optim.Optimizer.add_param_group documentation: layers are unfrozen as training progresses.",
    decision="The last tensors are added as a group after two steps. Where the rule works on entries or tensors "
    "separately and its clocks belong to tensors or groups, the added tensors must have the same bytes after every "
    "step as in a fresh optimizer. Under other rules every added tensor must move if it moves far in a fresh "
    "optimizer. Where the rule works on entries or tensors separately, the first tensors must move as if nothing "
    "had been added. An example is decisive when the added tensors move in a fresh optimizer.",
    view=View.OPTIMIZER,
    refuted_by=("late-groups-never-move", "late-groups-start-old"),
    cases=lambda domain: workbench.feeds(
        counting_alike(domain), workbench.Feed(least_steps=4, most_steps=5, groups=False)
    ),
    needs=Needs(traits=(FED, REPEATABLE), torch=True, groups=True),
)
def late_group(subject: FedSubject, case: UpdateCase) -> Evidence:
    at, indices = workbench.decisions.LATE_STEP, case.plan.indices
    cut = 1 + case.order[0] % (len(indices) - 1)
    early, late = indices[:cut], indices[cut:]
    rate = None if case.plan.rates is None else case.plan.rates[0]

    def played(given: UpdateCase) -> list[Weights]:
        return _with_late_group(subject, given, early, late, rate)

    names, seen, fresh = workbench.names_of(case), played(case), _fresh_on(subject, case, late, rate)
    separable = subject.traits["separability"] in SEPARABLE[1]
    if separable and subject.traits["clock"] in ("tensor", "group"):
        what = f"added after step {at}, against a fresh optimizer"
        parts = [same_steps(names, seen[at:], fresh, what, chosen=late, first=at)]
    else:
        parts = [_moved_too(names, seen, fresh, late, lambda: played(_only(case, late)))]
    if separable:
        alone = workbench.feed(subject, case, replace(case.plan, groups=(early,)))
        parts.append(same_steps(names, seen, alone, "a group was added later", chosen=early))
    moved = workbench.differ(fresh[-1], case.tensors)
    return workbench.combine(parts) if moved else workbench.vacuous("the added group would not move")


def _fresh_on(subject: FedSubject, case: UpdateCase, late: tuple[int, ...], rate: float | None) -> list[Weights]:
    """Return the weights at every step of a fresh optimizer over the late tensors alone.

    It is built with the learning rate in its group, as it will be added, or without a rate where that is refused.
    """
    plan, gradients = replace(case.plan, groups=(late,)), case.gradients[workbench.decisions.LATE_STEP :]
    try:
        given = replace(plan, of_groups=() if rate is None else ({"lr": rate},))
        return workbench.feed(subject, case, given, gradients=gradients)
    except (SubjectCrash, Unsupported):
        return workbench.feed(subject, case, plan, gradients=gradients)


def _with_late_group(
    subject: FedSubject, case: UpdateCase, early: tuple[int, ...], late: tuple[int, ...], rate: float | None
) -> list[Weights]:
    run = subject.start(case.tensors, replace(case.plan, groups=(early,)))
    seen = [run.weights()]
    for t, step in enumerate(case.gradients):
        if t == workbench.decisions.LATE_STEP:
            run.add_group(late, rate)
        there = t >= workbench.decisions.LATE_STEP
        run.step([g if there or i in early else None for i, g in enumerate(step)])
        seen.append(run.weights())
    return seen


def _moved_too(
    names: Sequence[str],
    seen: Sequence[Weights],
    fresh: Sequence[Weights],
    late: Sequence[int],
    only_late: Callable[[], list[Weights]],
) -> Evidence:
    """Return a violation if a late tensor never moves, although it goes far in a fresh optimizer.

    A norm over all gradients may leave a late tensor no movement. The run is therefore repeated with gradients for the
    late tensors alone. "Far" excludes distances of a few ulps, which a remembered norm may also reduce to nothing.
    """
    still = [i for i in late if any(workbench.far_apart(w[i], fresh[0][i]) for w in fresh) and not _moves(seen, i)]
    if still:
        again = only_late()
        still = [i for i in still if not _moves(again, i)]
    blame = tuple(names[i] for i in still)
    if not still:
        return workbench.agreement()
    demand = workbench.must_move(still[0], fresh[0][still[0]])
    return workbench.violation("added later, it never moves", blame=blame, demand=demand)


def _only(case: UpdateCase, late: Sequence[int]) -> UpdateCase:
    """Return the case with gradients for the late tensors alone, from the step at which they are added."""
    at = workbench.decisions.LATE_STEP
    fed = [
        tuple(g if t < at or i in late else None for i, g in enumerate(step)) for t, step in enumerate(case.gradients)
    ]
    return replace(case, gradients=tuple(fed))


def _moves(seen: Sequence[Weights], i: int) -> bool:
    """Say whether a tensor is at any step elsewhere than at the start; it may come back later."""
    return any(workbench.differ([weights[i]], [seen[0][i]]) for weights in seen)
