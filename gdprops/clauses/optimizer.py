"""Chapter optimizer: promises of an optimizer object."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdprops.clauses.lazy import lazy
from gdprops.errors import Unsupported
from gdprops.model.case import Plan
from gdprops.model.clause import Needs, View, clause
from gdprops.model.subject import Delivery

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gdprops.clauses import workbench
    from gdprops.clauses.playing import Weights
    from gdprops.model.case import UpdateCase
    from gdprops.model.evidence import Evidence
    from gdprops.model.subject import Subject
else:
    workbench = lazy("gdprops.clauses.workbench")

FED = ("inputs", ("gradient",))
SEPARABLE = ("separability", ("element", "tensor"))
REPEATABLE = ("randomness", ("none",))


def _same_trajectory(case: UpdateCase, seen: Sequence[Weights], expected: Sequence[Weights], what: str) -> Evidence:
    """Compare two trajectories of the same optimizer on identical inputs, byte by byte, step by step."""
    if not workbench.differ(expected[-1], case.tensors):
        return workbench.vacuous("nothing moves")
    names = workbench.names_of(case)
    return workbench.combine(
        workbench.same_bytes(s, e, names=names, what=what, step=t)
        for t, (s, e) in enumerate(zip(seen, expected, strict=True))
    )


def _moving(case: UpdateCase, expected: Sequence[Weights]) -> int:
    return sum(workbench.differ([a], [b]) for a, b in zip(expected[-1], case.tensors, strict=True))


@clause(
    id="optimizer.parameter-order",
    statement="The order in which parameters are handed over changes nothing.",
    source="DeepSpeed#8471, flashlight#143: one step counter for all tensors, advanced once per tensor.",
    decision="The same optimizer on permuted parameters and groups, fed the same gradients: bytes at every step.",
    view=View.OPTIMIZER,
    refuted_by=(
        "adam-with-one-counter",
        "momentum-shared-by-shape",
        "reads-its-updated-neighbour",
        "stops-at-a-missing-gradient",
        "rule-with-one-counter",
    ),
    cases=lambda domain: workbench.feeds(domain, workbench.Feed(missing=True, mixed=True)),
    needs=Needs(traits=(FED, SEPARABLE, REPEATABLE)),
)
def parameter_order(subject: Subject, case: UpdateCase) -> Evidence:
    expected = workbench.feed(subject, case)
    if _moving(case, expected) < 2:
        return workbench.vacuous("fewer than two tensors move")
    groups = tuple(_reordered(group, case.order) for group in case.plan.groups)[::-1]
    rates = None if case.plan.rates is None else case.plan.rates[::-1]
    seen = workbench.feed(subject, case, Plan(groups, rates, case.plan.options))
    return _same_trajectory(case, seen, expected, f"handed over in the order {_shown(groups)}")


def _reordered(group: tuple[int, ...], keys: Sequence[int]) -> tuple[int, ...]:
    """Sort a group by the case's keys; where that changes nothing, reverse it."""
    sorted_ = tuple(sorted(group, key=lambda i: (keys[i], i)))
    return sorted_ if sorted_ != group else group[::-1]


def _shown(groups: Sequence[Sequence[int]]) -> str:
    return " | ".join(", ".join(f"w{i + 1}" for i in group) for group in groups)


@clause(
    id="optimizer.group-split",
    statement="Splitting a parameter group into groups with equal hyperparameters changes nothing.",
    source="torch.optim documentation, per-parameter options: a group is a set of parameters with shared options.",
    decision="All parameters in one group, and each in a group of its own, fed the same gradients: bytes at every "
    "step.",
    view=View.OPTIMIZER,
    refuted_by=("only-the-first-group-moves", "clock-advanced-by-group", "every-group-moves-everything"),
    cases=lambda domain: workbench.feeds(domain, workbench.Feed(groups=False, mixed=True)),
    needs=Needs(traits=(FED, SEPARABLE, REPEATABLE), torch=True, groups=True),
)
def group_split(subject: Subject, case: UpdateCase) -> Evidence:
    expected = workbench.feed(subject, case)
    split = tuple((i,) for i in case.plan.indices)
    rates = None if case.plan.rates is None else case.plan.rates * len(split)
    seen = workbench.feed(subject, case, Plan(split, rates, case.plan.options))
    if _moving(case, expected) < 2:
        return workbench.vacuous("fewer than two tensors move")
    return _same_trajectory(case, seen, expected, "each parameter in a group of its own")


@clause(
    id="optimizer.gradient-only",
    statement="A step is a function of the weights, the gradient and the state: not of how the gradient arose, its "
    "graph, or the value of the loss.",
    source="w' = U(w, g, s); pytorch#39141 and the wrappers that scale by the loss.",
    decision="Gradients assigned, from backward(), with a graph, and from closures that return other losses: bytes.",
    view=View.OPTIMIZER,
    refuted_by=("rate-follows-the-loss", "trusts-only-assigned-gradients", "looks-at-its-first-closure-only"),
    cases=lambda domain: workbench.feeds(domain, workbench.Feed(most_steps=3, transposed=False)),
    needs=Needs(traits=(FED, REPEATABLE), torch=True),
)
def gradient_only(subject: Subject, case: UpdateCase) -> Evidence:
    expected = workbench.feed(subject, case)
    parts = [
        _same_trajectory(case, workbench.feed(subject, case, delivery=delivery), expected, f"gradients {delivery}")
        for delivery in (Delivery.BACKWARD, Delivery.GRAPH)
    ]
    for loss in workbench.decisions.OTHER_LOSSES:
        seen = _by_closure(subject, case, loss)
        if seen is not None:
            parts.append(_same_trajectory(case, seen, expected, f"from a closure that returns {loss:g}"))
    return workbench.combine(parts)


def _by_closure(subject: Subject, case: UpdateCase, loss: float) -> list[Weights] | None:
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
    needs=Needs(traits=(FED,), unless_declared=(("randomness", "private"),)),
)
def deterministic(subject: Subject, case: UpdateCase) -> Evidence:
    expected = workbench.feed(subject, case)
    workbench.dirty_memory(case)
    return _same_trajectory(case, workbench.feed(subject, case), expected, "the same run once more")


@clause(
    id="optimizer.resume",
    statement="State saved after a step and loaded into a fresh optimizer on copies of the weights continues exactly, "
    "a changed learning rate included.",
    source="apex#766: param_groups detached after load; Megatron-LM#5976: counters advanced by a synthetic step.",
    decision="At least two more steps with and without the interruption, fed the same gradients: bytes at every step.",
    view=View.OPTIMIZER,
    refuted_by=("momentum-kept-on-self", "clock-kept-on-self", "loading-takes-a-step", "steps-old-groups"),
    cases=lambda domain: workbench.feeds(domain, workbench.Feed(least_steps=3, most_steps=4)),
    needs=Needs(traits=(FED, REPEATABLE)),
)
def resume(subject: Subject, case: UpdateCase) -> Evidence:
    expected = _interrupted(subject, case, resumed=False)
    seen = _interrupted(subject, case, resumed=True)
    return _same_trajectory(case, seen, expected, "resumed from its saved state")


def _interrupted(subject: Subject, case: UpdateCase, *, resumed: bool) -> list[Weights]:
    """Step, halve the rate, save and load where ``resumed``, and go on."""
    run, at = subject.start(case.tensors, case.plan), len(case.gradients) - 2
    for gradients in case.gradients[:at]:
        run.step(gradients)
    run.scale_rate(0.5)
    run = run.resumed() if resumed else run
    seen = [run.weights()]
    for gradients in case.gradients[at:]:
        run.step(gradients)
        seen.append(run.weights())
    return seen


CLAUSES = (parameter_order, group_split, gradient_only, deterministic, resume)
