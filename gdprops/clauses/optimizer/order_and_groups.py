"""Chapter optimizer: promises of an optimizer object."""

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
    source="DeepSpeed#8471, flashlight#143: one step counter for all tensors, advanced once per tensor.",
    decision="The same optimizer on permuted parameters and groups, fed the same gradients: bytes at every step. Where "
    "parameters are coupled, sums over them are rounded in another order: permuted within their groups, the same but "
    "for rounding, in float32 at worst.",
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
        return workbench.vacuous("coupled parameters need not take several dtypes together")
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
    """Compare a coupled rule with itself: its sums over parameters may be kept in float32, whatever these are."""
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
    "hyperparameters of its own moves as an optimizer of its own.",
    source="torch.optim documentation, per-parameter options: a group is a set of parameters with shared options.",
    decision="All parameters in one group, and each in a group of its own, with the hyperparameters given to the "
    "constructor and in the groups; then two groups, one of which has other numbers, against an optimizer built with "
    "them for either alone; fed the same gradients: bytes at every step (rules on whole tensors may batch them: split, "
    "the same but for rounding).",
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
    parts = (_given_in_groups(subject, case, apart, standing, seen), _with_other_numbers(subject, case, standing))
    return workbench.combine([evidence, *(part for part in parts if part is not None)])


def _given_in_groups(
    subject: FedSubject, case: UpdateCase, apart: Plan, standing: Mapping[str, Any], expected: list[Weights]
) -> Evidence | None:
    """Hand over those options that stand in the groups in each of them, instead of to the constructor."""
    own = {key: value for key, value in apart.options.items() if key in standing}
    if not own:
        return None
    rest = {key: value for key, value in apart.options.items() if key not in standing}
    given = replace(apart, options=rest, of_groups=(own,) * len(apart.groups))
    what = f"{workbench.listed(own)} given in each group instead of to the constructor"
    return same_trajectory(case, workbench.feed(subject, case, given), expected, what)


def _with_other_numbers(subject: FedSubject, case: UpdateCase, standing: Mapping[str, Any]) -> Evidence | None:
    """Compare two groups, the second with numbers of its own, with an optimizer for each; None where one is refused.

    Only where the learning rate is ours: a constructor may derive its default from other numbers. What else it derives
    from them (MARS: the betas of vectors) the group is given too: else it would have hyperparameters of nobody.
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
    """Return the arguments in the group of an optimizer of its own that are not those of all groups.

    What is derived and no argument (MARS: lr_1d over lr) nobody can be expected to give a group.
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
    statement="A step is a function of the weights, the gradient and the state: not of how the gradient arose, its "
    "graph, or the value of the loss.",
    source="w' = U(w, g, s); pytorch#39141 and the wrappers that scale by the loss.",
    decision="Gradients assigned, from backward(), with a graph, and from closures that return other losses: bytes.",
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
            run.step_closure(lambda _, g=gradients: (loss, g))  # type: ignore[misc] # bound now
            seen.append(run.weights())
    except Unsupported:
        return None
    return seen


@clause(
    id="optimizer.deterministic",
    statement="Two runs from the same weights, gradients and random seeds end at the same weights.",
    source="tensorflow#48855: updates race with the gradients that they should follow.",
    decision="Two runs, the global generators seeded alike, freed memory filled with NaN in between: bytes at "
    "every step.",
    view=View.OPTIMIZER,
    refuted_by=("remembers-other-runs", "draws-private-noise", "rule-remembers-in-a-global"),
    cases=lambda domain: workbench.feeds(domain, workbench.Feed(missing=True)),
    needs=Needs(traits=(FED_ALSO_BY_CLOSURES,), unless_declared=(("randomness", "private"),)),
)
def deterministic(subject: FedSubject, case: UpdateCase) -> Evidence:
    expected = workbench.feed(subject, case)
    workbench.dirty_memory(case)
    return same_trajectory(case, workbench.feed(subject, case), expected, "the same run once more")


CLAUSES = (parameter_order, group_split, gradient_only, deterministic)
