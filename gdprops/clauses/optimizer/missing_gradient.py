"""Chapter optimizer, continued: a parameter without a gradient stays as it is.

A layer that a batch does not use has ``.grad`` None. An optimizer that puts zeros there still moves the layer, by
weight decay and by momentum, and advances its clock. Example: AdamW with decay ½ and η = 1 halves a weight whose first
gradient is 0, but must not touch a weight whose gradient is None.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gdprops.clauses.support.fed_subjects import (
    FED_ALSO_BY_CLOSURES,
    REPEATABLE,
    SEPARABLE,
    counting_alike,
    same_trajectory,
)
from gdprops.clauses.support.independent_copies import stepped_by_copies
from gdprops.clauses.support.lazy import lazy
from gdprops.model.clause import Needs, View, clause

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gdprops.clauses.support import workbench
    from gdprops.clauses.support.optimizer_runs import Weights
    from gdprops.model.arrays import Array
    from gdprops.model.case import UpdateCase
    from gdprops.model.evidence import Evidence
    from gdprops.model.subject import FedSubject
else:
    workbench = lazy("gdprops.clauses.support.workbench")


@clause(
    id="optimizer.missing-gradient",
    statement="A parameter whose gradient is None is neither moved nor decayed, and its state and its clock do not "
    "advance.",
    source="KellerJordan/Muon#54: a missing gradient is replaced by zeros, so that decay moves unused parameters.",
    decision="At every step without a gradient the parameter must keep its bytes. For rules that work on entries or "
    "tensors separately, a second comparison is made. With a clock for each tensor: every parameter moves as if it "
    "were alone and had only the steps with a gradient; a rule that works on whole tensors may differ by rounding. "
    "With other clocks: the other parameters keep the same bytes as in a run without a parameter that never has a "
    "gradient, and a parameter whose gradients begin at the second step moves if it moves far alone. A rule that "
    "couples all parameters, or that needs a closure, may take a missing gradient for zeros; one that needs a "
    "closure may also return to its weights only up to rounding.",
    view=View.OPTIMIZER,
    refuted_by=(
        "zeros-for-missing-gradients",
        "decays-what-has-no-gradient",
        "knows-only-its-first-gradients",
        "clock-advances-without-a-gradient",
        "leaves-ahead-what-has-no-gradient",
    ),
    cases=lambda domain: workbench.feeds(
        counting_alike(domain), workbench.Feed(absent=True, least_steps=3, zeros=False, longest=12)
    ),
    needs=Needs(
        traits=(FED_ALSO_BY_CLOSURES, REPEATABLE),
        unless_declared=(("gradient_none", "as-zero"), ("gradient_none", "rejects")),
    ),
)
def missing_gradient(subject: FedSubject, case: UpdateCase) -> Evidence:
    if subject.traits["inputs"] == "closure":
        return _untouched_or_zero(subject, case)
    coupled_ = subject.traits["separability"] not in SEPARABLE[1]
    if coupled_ and subject.traits["gradient_none"] == "as-zero":
        return workbench.vacuous("it couples all parameters and takes a missing gradient for zeros")
    seen = workbench.feed(subject, case)
    parts = [_untouched(case, seen, [0.0] * len(case.tensors))]
    if not coupled_ and subject.traits["clock"] == "tensor":
        parts.append(_only_its_own_steps(subject, case, seen))
    elif not coupled_:
        parts += [_as_if_never_there(subject, case, seen), _moves_from_its_first_gradient(subject, case, seen)]
    return workbench.combine(parts)


def _untouched_or_zero(subject: FedSubject, case: UpdateCase) -> Evidence:
    """Check an optimizer that needs a closure: what has no gradient stays, or the optimizer takes it for zeros.

    Steps without any gradient are left out, because SAM divides by the norm of all gradients. A few roundings of the
    weights are allowed: such an optimizer moves them, calls its closure there, and moves them back.
    """
    case = replace(case, gradients=tuple(step for step in case.gradients if any(g is not None for g in step)))
    seen = workbench.feed(subject, case)
    roundings = workbench.decisions.RULE_ROUNDING * workbench.decisions.ULP * workbench.decisions.unit(case.precision)
    sizes = [max(float(abs(weights[i]).max(initial=0.0)) for weights in seen) for i in range(len(case.tensors))]
    touched = _untouched(case, seen, [roundings * size for size in sizes])
    if not touched.violated:
        return touched
    zeros = [[w * 0 if g is None else g for w, g in zip(case.tensors, step, strict=True)] for step in case.gradients]
    as_zero = not any(map(workbench.differ, workbench.feed(subject, case, gradients=zeros), seen))
    return workbench.vacuous("it takes a missing gradient for zeros") if as_zero else touched


def _untouched(case: UpdateCase, seen: Sequence[Weights], allowed: Sequence[float]) -> Evidence:
    """Compare every tensor before and after each step in which it has no gradient; by bytes if ``allowed`` is 0."""
    names, what = workbench.names_of(case), "its gradient is missing"
    pairs = [(t, i) for t, step in enumerate(case.gradients) for i, g in enumerate(step) if g is None]
    return workbench.combine(
        workbench.compare([after], [before], names=[names[i]], allowed=allowed[i], what=what, step=t + 1)
        if allowed[i]
        else workbench.same_bytes([after], [before], names=[names[i]], what=what, step=t + 1)
        for t, i in pairs
        for before, after in [(seen[t][i], seen[t + 1][i])]
    )


def _only_its_own_steps(subject: FedSubject, case: UpdateCase, seen: Sequence[Weights]) -> Evidence:
    """Compare every tensor with a run on this tensor alone that leaves out the steps without a gradient."""
    given = [[t for t, step in enumerate(case.gradients) if step[i] is not None] for i in range(len(case.tensors))]
    return workbench.combine(
        _as_alone(subject, case, [seen[0][i], *(seen[t + 1][i] for t in steps)], i, steps)
        for i, steps in enumerate(given)
        if steps
    )


def _as_alone(subject: FedSubject, case: UpdateCase, seen: Sequence[Array], i: int, steps: Sequence[int]) -> Evidence:
    """Compare a tensor with a run on it alone: by bytes; up to rounding if the rule may compute tensors in batches."""
    part = replace(case, tensors=(case.tensors[i],), gradients=tuple((case.gradients[t][i],) for t in steps))

    def by_a_copy(other: UpdateCase) -> list[Weights]:
        return stepped_by_copies(subject, other, case.plan, (i,))

    own, alone, names = [[w] for w in seen], by_a_copy(part), workbench.names_of(case)[i : i + 1]
    what = "against a run on it alone, without steps that have no gradient"
    if subject.traits["separability"] == "tensor":
        rough = workbench.decisions.BFLOAT16_SHARE
        return workbench.rounded_alike(part, own, alone, by_a_copy, what, rough=rough, names=names)
    return workbench.combine(
        workbench.same_bytes(own[k], alone[k], names=names, what=what, step=t + 1) for k, t in enumerate(steps, start=1)
    )


def _as_if_never_there(subject: FedSubject, case: UpdateCase, seen: Sequence[Weights]) -> Evidence:
    """Compare with a run in which the optimizer does not hold the tensors that never have a gradient."""
    never = {i for i in case.plan.indices if all(step[i] is None for step in case.gradients)}
    kept = tuple(tuple(i for i in group if i not in never) for group in case.plan.groups)
    if not never or not all(kept):
        return workbench.vacuous("")
    expected = workbench.feed(subject, case, replace(case.plan, groups=kept))
    return same_trajectory(case, seen, expected, "against a run without the parameter that has no gradients")


def _moves_from_its_first_gradient(subject: FedSubject, case: UpdateCase, seen: Sequence[Weights]) -> Evidence:
    """Return a violation if a tensor whose gradients begin at the second step never moves, but moves far alone."""
    first, *later = case.gradients
    late = [i for i in case.plan.indices if first[i] is None and all(step[i] is not None for step in later)]
    still = [i for i in late if not any(workbench.differ([weights[i]], [seen[0][i]]) for weights in seen)]
    lost = []
    for i in still:
        alone = workbench.feed_alone(subject, case.tensors[i], [step[i] for step in later], case.plan, i)
        lost += [i] if any(workbench.far_apart(w, alone[0]) for w in alone) else []
    blame = tuple(workbench.names_of(case)[i] for i in lost)
    what = "its gradients begin at the second step, and it never moves"
    if not lost:
        return workbench.vacuous("")
    return workbench.violation(what, blame=blame, demand=workbench.must_move(lost[0], seen[0][lost[0]]))


CLAUSES = (missing_gradient,)
