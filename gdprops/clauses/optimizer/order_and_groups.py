"""Chapter optimizer, first part: neither order, grouping, origin of gradients nor repetition changes a step.

Each clause runs the optimizer twice on what should make no difference. Example: with w1 and w2 handed over as (w2, w1)
instead of (w1, w2), both must end at the same bytes; one step counter that advances once per tensor breaks that.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gdprops.clauses.support.fed_subjects import (
    FED,
    FED_ALSO_BY_CLOSURES,
    ONLY_GRADIENTS,
    REPEATABLE,
    SEPARABLE,
    but_for_rounding,
    coupled,
    moving,
    same_trajectory,
)
from gdprops.clauses.support.lazy import lazy
from gdprops.errors import SubjectCrash, Unsupported
from gdprops.model.case import Plan
from gdprops.model.clause import Needs, View, clause
from gdprops.model.subject import Delivery

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gdprops.clauses.support import workbench
    from gdprops.clauses.support.optimizer_runs import Weights
    from gdprops.model.case import UpdateCase
    from gdprops.model.evidence import Evidence
    from gdprops.model.subject import FedSubject
else:
    workbench = lazy("gdprops.clauses.support.workbench")


@clause(
    id="optimizer.parameter-order",
    statement="The order in which parameters are handed over changes nothing.",
    source="deepspeedai/DeepSpeed#8471, flashlight/flashlight#143: one step counter for all tensors, advanced once "
    "per tensor.",
    decision="The optimizer is built again on permuted parameters and permuted groups, and fed the same gradients. "
    "After every step each parameter must have the same bytes as before the permutation. A rule that couples "
    "parameters sums over them in another order; there, parameters are permuted within their groups only, and the "
    "results may differ by rounding, at worst by that of float32. An example is decisive when at least two tensors "
    "move.",
    view=View.OPTIMIZER,
    refuted_by=(
        "adam-with-one-counter",
        "clips-as-it-goes",
        "momentum-shared-by-shape",
        "reads-its-updated-neighbour",
        "stops-at-a-missing-gradient",
        "rule-with-one-counter",
        "switches-in-mid-loop",
    ),
    cases=lambda domain: workbench.feeds(
        domain, workbench.Feed(missing=True, mixed=True, longest=100, often_long=True)
    ),
    needs=Needs(traits=(FED, REPEATABLE)),
)
def parameter_order(subject: FedSubject, case: UpdateCase) -> Evidence:
    separable = subject.traits["separability"] in SEPARABLE[1]
    if not separable and len({w.dtype for w in case.tensors}) > 1:
        return workbench.vacuous("a rule that couples parameters need not accept several dtypes together")
    if not separable:
        case = replace(case, gradients=case.gradients[: workbench.decisions.COUPLED_STEPS])
    expected = workbench.feed(subject, case)
    if moving(case, expected) < 2:
        return workbench.vacuous("fewer than two tensors move")
    groups, rates = tuple(_reordered(group, case.order) for group in case.plan.groups), case.plan.rates
    what = f"handed over in the order {_shown(groups)}"
    if not separable:
        return _ordered_alike(subject, case, Plan(groups, rates, case.plan.options), expected, what)
    turned = Plan(groups[::-1], None if rates is None else rates[::-1], case.plan.options)
    what = coupled(subject, f"handed over in the order {_shown(turned.groups)}")
    return same_trajectory(case, workbench.feed(subject, case, turned), expected, what)


def _ordered_alike(subject: FedSubject, case: UpdateCase, plan: Plan, expected: list[Weights], what: str) -> Evidence:
    """Compare two runs of a rule that couples parameters; it may keep its sums in float32, whatever their dtypes."""
    seen, decisions = workbench.feed(subject, case, plan), workbench.decisions
    evidence = same_trajectory(case, seen, expected, what)
    if not evidence.violated:
        return evidence
    return workbench.rounded_alike(
        case,
        seen,
        expected,
        lambda other: workbench.feed(subject, other),
        what,
        extra=decisions.SINGLE_TOLERANCE,
        rough=decisions.BFLOAT16_SHARE,
    )


def _reordered(group: tuple[int, ...], keys: Sequence[int]) -> tuple[int, ...]:
    """Sort a group by the case's keys; where that changes nothing, reverse it."""
    sorted_ = tuple(sorted(group, key=lambda i: (keys[i], i)))
    return sorted_ if sorted_ != group else group[::-1]


def _shown(groups: Sequence[Sequence[int]]) -> str:
    return " | ".join(", ".join(f"w{i + 1}" for i in group) for group in groups)


@clause(
    id="optimizer.group-split",
    statement="Splitting a parameter group into groups with equal hyperparameters changes nothing; a group with "
    "hyperparameters of its own moves as under an optimizer of its own.",
    source="torch.optim documentation, section Per-parameter options: a group is a set of parameters with shared "
    "options.",
    decision="Three comparisons are made, all with the same gradients. First: all parameters in one group, and each "
    "in a group of its own. Second, over the first twelve steps: hyperparameters given to the constructor, and the "
    "same ones given in every group. Third, as long: two groups with different numbers, and two optimizers, each built "
    "with the numbers of one group. The bytes must be equal after every step; in the first comparison a rule that "
    "works on whole tensors may differ by rounding, because it may compute several tensors in one batch. An example "
    "is decisive when at least two tensors move.",
    view=View.OPTIMIZER,
    refuted_by=(
        "only-the-first-group-moves",
        "clock-advanced-by-group",
        "every-group-moves-everything",
        "reads-its-defaults",
        "reads-the-first-groups-decay",
        "switches-in-mid-loop",
    ),
    cases=lambda domain: workbench.feeds(
        domain, workbench.Feed(groups=False, mixed=True, longest=100, often_long=True)
    ),
    needs=Needs(traits=(FED, SEPARABLE, REPEATABLE), torch=True, groups=True),
)
def group_split(subject: FedSubject, case: UpdateCase) -> Evidence:
    expected = workbench.feed(subject, case)
    split = tuple((i,) for i in case.plan.indices)
    rates = None if case.plan.rates is None else case.plan.rates * len(split)
    if moving(case, expected) < 2:
        return workbench.vacuous("fewer than two tensors move")
    apart = Plan(split, rates, case.plan.options)
    seen = workbench.feed(subject, case, apart)
    evidence = same_trajectory(case, seen, expected, coupled(subject, "each parameter in a group of its own"))
    evidence = but_for_rounding(evidence, subject, case, seen, expected, lambda given: workbench.feed(subject, given))
    if evidence.violated:
        return evidence
    standing = subject.start(case.tensors, case.plan).hyperparameters()[0]
    short = _shortened(case, expected)
    own = seen[: len(short.gradients) + 1]
    parts = (_given_in_groups(subject, short, apart, standing, own), _with_other_numbers(subject, short, standing))
    return workbench.combine([evidence, *(part for part in parts if part is not None)])


def _shortened(case: UpdateCase, expected: Sequence[Weights]) -> UpdateCase:
    """Return the first steps of a case, or the case itself where these move nothing.

    A rule that switches late shows that in the first comparison; what a group is given acts from the first step on.
    """
    short = replace(case, gradients=case.gradients[: workbench.decisions.GROUPED_STEPS])
    moves = workbench.differ(expected[len(short.gradients)], case.tensors)
    return short if moves else case


def _given_in_groups(
    subject: FedSubject, case: UpdateCase, apart: Plan, standing: Mapping[str, Any], expected: list[Weights]
) -> Evidence | None:
    """Compare with a run in which the options are given in every group instead of to the constructor.

    None if the optimizer's groups hold none of the options.
    """
    own = {key: value for key, value in apart.options.items() if key in standing}
    if not own:
        return None
    rest = {key: value for key, value in apart.options.items() if key not in standing}
    given = replace(apart, options=rest, of_groups=(own,) * len(apart.groups))
    what = f"{workbench.listed(own)} given in each group instead of to the constructor"
    return same_trajectory(case, workbench.feed(subject, case, given), expected, what)


def _with_other_numbers(subject: FedSubject, case: UpdateCase, standing: Mapping[str, Any]) -> Evidence | None:
    """Compare two groups with different numbers with two optimizers, one built with the numbers of each group.

    None if the subject refuses the numbers, or if gdprops does not set the learning rate (a constructor may derive its
    default rate from other numbers). A constructor may derive further hyperparameters from the numbers (MARS: the betas
    of vectors). The second group is given these too; without them no optimizer would have its hyperparameters.
    """
    plan, changed = case.plan, _changed(subject, case, standing)
    if plan.rates is None:
        return None
    cut = 1 + case.order[0] % (len(plan.indices) - 1)
    rates = (plan.rates[0], plan.rates[0] / 2)
    first = Plan((plan.indices[:cut],), rates[:1], plan.options)
    second = Plan((plan.indices[cut:],), rates[1:], {**plan.options, **changed})
    try:
        alone = [workbench.feed(subject, case, part) for part in (first, second)]
    except (SubjectCrash, Unsupported):
        return None
    own = _as_it_stands(subject, case, second, standing)
    both = Plan((*first.groups, *second.groups), rates, plan.options, of_groups=({}, own))
    expected = [
        [(a, b)[i in second.indices] for i, (a, b) in enumerate(zip(*weights, strict=True))]
        for weights in zip(*alone, strict=True)
    ]
    what = f"a group with its own {', '.join(['lr', *own])}, against an optimizer of its own"
    return same_trajectory(case, workbench.feed(subject, case, both), expected, coupled(subject, what))


def _as_it_stands(subject: FedSubject, case: UpdateCase, alone: Plan, standing: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments that a separate optimizer's group holds with other values than the common groups.

    Numbers that a constructor derives but does not take as arguments (MARS: lr_1d over lr) are left out, because no
    user could give them to a group.
    """
    own = subject.start(case.tensors, alone).hyperparameters()[alone.indices[0]]
    numbers = {k: v for k, v in own.items() if isinstance(v, int | float | tuple | list) and k != "lr"}
    return {k: v for k, v in numbers.items() if k in standing and k in subject.settings and v != standing[k]}


def _changed(subject: FedSubject, case: UpdateCase, standing: Mapping[str, Any]) -> dict[str, Any]:
    """Return other values for some of the numbers that the signature names and the groups hold."""
    named = [name for name in sorted(standing) if name in subject.settings and name != "lr"]
    keys, changed = case.order, dict[str, Any]()
    for k, name in enumerate(named):
        entries = workbench.alternatives(name, standing[name]) if keys[k % len(keys)] >> (k // len(keys)) & 1 else {}
        values = [value for entry in entries.values() for value in entry]
        changed.update({name: values[keys[0] % len(values)]} if values else {})
    return changed


@clause(
    id="optimizer.gradient-only",
    statement="A step is a function of the weights, the gradient and the state. It does not depend on how the "
    "gradient was computed, on its graph, or on the value of the loss.",
    source="w' = U(w, g, s). pytorch/pytorch#39141, and wrappers that scale a step by the loss.",
    decision="The same gradients reach the optimizer in four ways: assigned, from backward(), with a graph, and "
    "from closures that return other losses. The bytes of the weights must be equal after every step. An example is "
    "decisive when something moves.",
    view=View.OPTIMIZER,
    refuted_by=("rate-follows-the-loss", "trusts-only-assigned-gradients", "looks-at-its-first-closure-only"),
    cases=lambda domain: workbench.feeds(domain, workbench.Feed(most_steps=3)),
    needs=Needs(traits=(ONLY_GRADIENTS, REPEATABLE), torch=True),
)
def gradient_only(subject: FedSubject, case: UpdateCase) -> Evidence:
    expected = workbench.feed(subject, case)
    parts = [
        same_trajectory(case, workbench.feed(subject, case, delivery=delivery), expected, f"gradients {delivery}")
        for delivery in (Delivery.BACKWARD, Delivery.GRAPH)
    ]
    for loss in workbench.decisions.OTHER_LOSSES:
        seen = _by_closure(subject, case, loss)
        if seen is not None:
            parts.append(same_trajectory(case, seen, expected, f"from a closure that returns {loss:g}"))
    return workbench.combine(parts)


def _by_closure(subject: FedSubject, case: UpdateCase, loss: float) -> list[Weights] | None:
    run = subject.start(case.tensors, case.plan)
    seen = [run.weights()]
    try:
        for gradients in case.gradients:
            run.step_closure(lambda _, g=gradients: (loss, g))  # type: ignore[misc] # g is bound at once
            seen.append(run.weights())
    except Unsupported:
        return None
    return seen


AGAIN = "the same run once more: it goes on with what the first has left outside its state, or draws its own numbers"


@clause(
    id="optimizer.deterministic",
    statement="Two runs from the same weights, gradients and random seeds end at the same weights.",
    source="tensorflow/tensorflow#48855: updates race with the gradients that should be computed before them.",
    decision="The optimizer runs twice with the global random generators seeded alike. In between, freed memory is "
    "filled with NaN, so that state which was never initialized shows. The bytes of the weights must be equal after "
    "every step. An example is decisive when something moves.",
    view=View.OPTIMIZER,
    refuted_by=("remembers-other-runs", "draws-private-noise", "rule-remembers-in-a-global"),
    cases=lambda domain: workbench.feeds(domain, workbench.Feed(missing=True)),
    needs=Needs(traits=(FED_ALSO_BY_CLOSURES,), unless_declared=(("randomness", "private"),)),
)
def deterministic(subject: FedSubject, case: UpdateCase) -> Evidence:
    expected = workbench.feed(subject, case)
    workbench.dirty_memory(case)
    found = same_trajectory(case, workbench.feed(subject, case), expected, AGAIN)
    return replace(found, demand=workbench.MUST_AGREE) if found.violated else found


CLAUSES = (parameter_order, group_split, gradient_only, deterministic)
