"""What the first steps of an optimizer must do, whatever its rule is: stay finite, and vanish with the learning rate.

A rule that divides by what it has not yet gathered gives NaN at once: a sum of squares that starts at zero, the norm of
gradients that are all zero. Nothing else can be said of a subject whose first step is not finite: the probe measures
nothing of it, and `optimizer.finite` alone judges it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gdprops.clauses.support.fed_subjects import FED, REPEATABLE
from gdprops.clauses.support.lazy import lazy
from gdprops.model.clause import Level, Needs, View, clause
from gdprops.model.optional_hyperparameters import further_rates

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gdprops.clauses.support import published_forms, workbench
    from gdprops.model.arrays import Array
    from gdprops.model.case import Plan, UpdateCase
    from gdprops.model.evidence import Evidence
    from gdprops.model.subject import FedSubject
else:
    workbench = lazy("gdprops.clauses.support.workbench")
    published_forms = lazy("gdprops.clauses.support.published_forms")


@clause(
    id="optimizer.finite",
    statement="From finite weights and gradients of moderate size, the first steps give finite weights.",
    source="Yogi's first step in released packages takes the root of a negative number; rules that divide by the norm "
    "of a gradient of zeros.",
    decision="Two steps with the user's own hyperparameters. Every entry of the gradients is 0 or between 2^-12 and "
    "2^12 in absolute value; in a quarter of the examples each, all gradients of the first or of the second step are "
    "0. A weight that becomes NaN or infinite is a violation, unless the declared rule gives such a weight too.",
    view=View.OPTIMIZER,
    refuted_by=("divides-by-the-norm-of-nothing", "divides-before-it-gathers"),
    cases=lambda domain: workbench.feeds(
        domain, workbench.Feed(most_steps=2, options=False, groups=False, zeros=False)
    ),
    needs=Needs(traits=(FED,)),
    since=2,
)
def finite(subject: FedSubject, case: UpdateCase) -> Evidence:
    moderate = _with_moderate_gradients(case)
    for t, weights in enumerate(workbench.feed(subject, moderate)[1:], start=1):
        wrong = [name for name, w in zip(workbench.names_of(case), weights, strict=True) if not _is_finite(w)]
        if wrong and published_forms.overflows(subject, moderate, t):
            return workbench.vacuous("the declared rule gives weights that are not finite either")
        if wrong:
            told = f"step {t} gives {_kinds(weights)} of finite gradients"
            return workbench.violation(told, blame=tuple(wrong), demand=workbench.FINITE)
    return workbench.require(True, "")


def _with_moderate_gradients(case: UpdateCase) -> UpdateCase:
    """Return the case at the user's own hyperparameters, with two steps, one of them without any gradient at times."""
    nothing = case.order[0] % 4
    steps = tuple(
        tuple(None if g is None else g * 0 if t == nothing else _moderate(g) for g in step)
        for t, step in enumerate(case.gradients[:2])
    )
    return replace(case, gradients=steps, plan=replace(case.plan, rates=None, options={}))


def _moved_apart(
    subject: FedSubject, cases: tuple[UpdateCase, UpdateCase], plan: Plan, names: Sequence[str]
) -> list[str]:
    """Return the tensors that two cases move to different places."""
    one, other = (workbench.feed(subject, case, plan)[-1] for case in cases)
    return [name for name, a, b in zip(names, one, other, strict=True) if (a != b).any()]


def _moderate(g: Array) -> Array:
    least, most = workbench.decisions.MODERATE_GRADIENTS
    return workbench.clipped_in_size(g, least, most)


def _is_finite(weights: Array) -> bool:
    return bool(workbench.are_finite([weights]))


def _kinds(weights: Any) -> str:
    """Return which numbers that are not finite there are."""
    return "infinite weights" if all((abs(w) >= 0).all() for w in weights) else "NaN"


@clause(
    id="optimizer.rate-zero",
    statement="At a learning rate of 0 the gradients of the first step move nothing.",
    source="A displacement is the rate times a direction. A constant that is added to the rate itself moves the "
    "weights of a schedule that warms up from 0. A decay with a strength of its own may move them: it is the same for "
    "every gradient.",
    decision="The first step with the rate set to 0 in every group, where the same step moves something at the rate "
    "of the case: the weights after it, and after the same step with all gradients negated, compared with ==. A "
    "second learning rate (adam_lr) is 0 too. Rules with a schedule of their own are not asked.",
    level=Level.RECOMMENDED,
    view=View.OPTIMIZER,
    refuted_by=("adds-to-its-rate",),
    cases=lambda domain: workbench.feeds(domain, workbench.Feed(most_steps=2, own_rate=False, zeros=False)),
    needs=Needs(traits=(FED, REPEATABLE, ("lr_response", ("linear", "nonlinear"))), rate=True),
    since=2,
)
def rate_zero(subject: FedSubject, case: UpdateCase) -> Evidence:
    first = replace(case, gradients=case.gradients[:1])
    if not workbench.differ(workbench.feed(subject, first)[-1], case.tensors):
        return workbench.vacuous("nothing moves")
    if published_forms.moves_at_rest(subject, first):
        return workbench.vacuous("the declared rule moves at a learning rate of 0 too")
    still = replace(first.plan, rates=tuple(0.0 for _ in first.plan.groups))
    negated = replace(first, gradients=(tuple(None if g is None else -g for g in first.gradients[0]),))
    names = workbench.names_of(case)
    moved = _moved_apart(subject, (first, negated), still, names)
    further = further_rates(subject.start(first.tensors, still).hyperparameters()[0]) if moved else []
    if further:
        both = replace(still, options={**still.options, **dict.fromkeys(further, 0.0)})
        moved = _moved_apart(subject, (first, negated), both, names)
    told = f"moves at a learning rate of 0: {', '.join(moved)}"
    return workbench.require(not moved, told, workbench.MUST_AGREE)


CLAUSES = (finite, rate_zero)
