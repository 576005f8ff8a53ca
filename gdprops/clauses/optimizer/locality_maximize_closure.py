"""Chapter optimizer, continued: unrelated parameters, maximize, closures and zero_grad().

Example for maximize: an optimizer with maximize=True that is fed g = 2 must move as one without it that is fed -2, the
weight decay included. A known mistake turns the sign of the decay as well.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gdprops.clauses.optimizer.late_group import late_group
from gdprops.clauses.support.fed_subjects import (
    FED,
    FED_ALSO_BY_CLOSURES,
    REPEATABLE,
    SEPARABLE,
    but_for_rounding,
    coupled,
    same_steps,
    same_trajectory,
)
from gdprops.clauses.support.lazy import lazy
from gdprops.model.clause import Needs, View, clause

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gdprops.clauses.support import workbench
    from gdprops.clauses.support.optimizer_runs import Weights
    from gdprops.model.arrays import Array
    from gdprops.model.case import UpdateCase
    from gdprops.model.evidence import Evidence
    from gdprops.model.subject import FedSubject, Gradients, Run
else:
    workbench = lazy("gdprops.clauses.support.workbench")


@clause(
    id="optimizer.locality",
    statement="A parameter's trajectory does not depend on unrelated parameters: neither on their number nor on "
    "their weights and gradients.",
    source="deepspeedai/DeepSpeed#8471: one step counter for all tensors. Scratch buffers that are shared by shape.",
    decision="Two changes are made: another tensor gets other weights and gradients, and one more tensor is added "
    "to the first group. All remaining tensors must keep the same bytes at every step. After the second change a "
    "rule that works on whole tensors may differ by rounding, because it may compute the new tensor in one batch "
    "with others. An example is decisive when another tensor than the changed one moves.",
    view=View.OPTIMIZER,
    refuted_by=("momentum-shared-by-shape", "adam-with-one-counter", "reads-its-updated-neighbour"),
    cases=lambda domain: workbench.feeds(
        domain, workbench.Feed(missing=True, mixed=True, longest=100, often_long=True)
    ),
    needs=Needs(traits=(FED, SEPARABLE, REPEATABLE)),
)
def locality(subject: FedSubject, case: UpdateCase) -> Evidence:
    expected, changed = workbench.feed(subject, case), case.order[0] % len(case.tensors)
    others = [i for i in range(len(case.tensors)) if i != changed]
    if not any(workbench.differ([expected[-1][i]], [case.tensors[i]]) for i in others):
        return workbench.vacuous("no other tensor moves")
    names, seen = workbench.names_of(case), workbench.feed(subject, _with_other_numbers(case, changed))
    return workbench.combine(
        [
            same_steps(names, seen, expected, coupled(subject, f"{names[changed]} changed"), chosen=others),
            _unmoved_by_one_more(subject, case, expected),
        ]
    )


def _unmoved_by_one_more(subject: FedSubject, case: UpdateCase, expected: list[Weights]) -> Evidence:
    seen = [weights[: len(case.tensors)] for weights in workbench.feed(subject, workbench.with_one_more(case))]
    evidence = same_steps(workbench.names_of(case), seen, expected, coupled(subject, "one more tensor"))
    return but_for_rounding(evidence, subject, case, seen, expected, lambda given: workbench.feed(subject, given))


def _with_other_numbers(case: UpdateCase, changed: int) -> UpdateCase:
    """Return the case with one tensor three times as large and with other gradients for it, 1 - 3 g."""
    tensors = tuple(workbench.array(3 * w, like=w) if i == changed else w for i, w in enumerate(case.tensors))
    fed = tuple(tuple(_turned(g) if i == changed else g for i, g in enumerate(step)) for step in case.gradients)
    return replace(case, tensors=tensors, gradients=fed)


def _turned(g: Array | None) -> Array | None:
    return None if g is None else workbench.array(1 - 3 * g, like=g)


@clause(
    id="optimizer.maximize",
    statement="Maximizing J is minimizing -J, weight decay included.",
    source="pytorch/pytorch#92706, and optimizers that forget to negate a stored previous gradient.",
    decision="One optimizer with maximize=True is fed g, another with maximize=False is fed -g. The bytes of the "
    "weights must be equal after every step. An example is decisive when something moves.",
    view=View.OPTIMIZER,
    refuted_by=("maximize-turns-the-decay", "maximize-only-at-first"),
    cases=lambda domain: workbench.feeds(domain, workbench.Feed(missing=True, longest=12)),
    needs=Needs(traits=(FED, REPEATABLE), option="maximize"),
)
def maximize(subject: FedSubject, case: UpdateCase) -> Evidence:
    other = {key: value for key, value in case.plan.options.items() if key != "maximize"}
    turned = workbench.each_gradient(case, lambda g: workbench.array(-g, like=g))
    minimized = replace(case.plan, options={**other, "maximize": False})
    expected = workbench.feed(subject, case, minimized, gradients=turned)
    seen = workbench.feed(subject, case, replace(case.plan, options={**other, "maximize": True}))
    return same_trajectory(case, seen, expected, "maximize=True, against the negated gradients")


@clause(
    id="optimizer.closure",
    statement="step(closure) calls the closure with gradients enabled. Where a step needs nothing but a gradient, "
    "it calls the closure exactly once, before it moves anything; it moves as the step fed with that gradient, and "
    "returns the loss. Where it evaluates the closure at other weights, it comes back from there.",
    source="torch.optim documentation, section optimizer.step(closure). Optimizers that never call the closure, or "
    "call it under no_grad.",
    decision="The calls of the closure are recorded: how many, at which weights, and which loss step returned. An "
    "optimizer that needs nothing but gradients must also have, after every step, the same bytes as the optimizer "
    "that is fed these gradients. One that needs its closure (SAM, LBFGS) must call it at least once, and may "
    "return nothing; and its first step on J = ½|w|², from weights of sizes between 1 and 2 and at 2^-40 "
    "of the case's learning rate, must not raise J by more than 2^-16 of it.",
    view=View.OPTIMIZER,
    refuted_by=(
        "closure-never-called",
        "closure-called-twice",
        "returns-no-loss",
        "closure-after-the-move",
        "stays-where-it-looked",
    ),
    cases=lambda domain: workbench.feeds(domain, workbench.Feed(zeros=False)),
    needs=Needs(traits=(FED_ALSO_BY_CLOSURES, REPEATABLE), torch=True, feature="closure"),
)
def closure(subject: FedSubject, case: UpdateCase) -> Evidence:
    run = subject.start(case.tensors, case.plan)
    fed = subject.traits["inputs"] != "closure"
    seen, parts = [run.weights()], []
    for t, gradients in enumerate(case.gradients):
        parts.append(_called(run, seen[-1], gradients, loss=1.0 + t, once=fed, step=t + 1))
        seen.append(run.weights())
    if subject.traits["inputs"] == "gradient":
        expected = workbench.feed(subject, case)
        parts.append(same_trajectory(case, seen, expected, "step(closure), against the step fed with its gradient"))
    if not fed:
        parts.append(_comes_back(subject, case))
    return workbench.combine(parts)


def _comes_back(subject: FedSubject, case: UpdateCase) -> Evidence:
    """Step down J = ½|w|² at a rate that vanishes: a perturbation that is not taken back is all that is left of it."""
    fixed = case.plan.rates is None or subject.settings.get("maximize") or case.plan.options.get("maximize")
    if fixed or not all(w.dtype.kind == "f" for w in case.tensors):
        return workbench.agreement()
    rates = tuple(rate * workbench.decisions.VANISHING_RATE for rate in case.plan.rates or ())
    moderate = [workbench.clipped_in_size(w, *workbench.decisions.BOWL_WEIGHTS) for w in case.tensors]
    run = subject.start(moderate, replace(case.plan, rates=rates))
    looked: list[Sequence[Array]] = []
    before = run.weights()

    def look(weights: Sequence[Array]) -> tuple[float, Gradients]:
        looked.append([w.copy() for w in weights])
        return _bowl(weights), [w.copy() for w in weights]

    run.hand_over([w.copy() for w in before])
    run.step_closure(look)
    after = run.weights()
    low, high = _bowl(before), _bowl(after)
    told = f"at a learning rate of {rates[0]:g} a step down J = ½|w|² goes up, from {low:.6g} to {high:.6g}"
    if any(abs(_bowl(weights) - high) <= workbench.decisions.BOWL_RISE * abs(high - low) for weights in looked[1:]):
        told = f"the weights stay where the closure was evaluated, and do not come back: {told}"
    most = 1 + workbench.decisions.BOWL_RISE
    squares = "squares = lambda tensors: sum(float((torch.tensor(w, dtype=torch.float64) ** 2).sum()) for w in tensors)"
    falls = workbench.Demand(f"squares(seen) <= {most} * squares(before)", (squares,))
    return workbench.require(high <= low * most, told, falls)


def _bowl(weights: Sequence[Array]) -> float:
    return sum(float((w.astype(float) ** 2).sum()) for w in weights) / 2


def _called(run: Run, before: Weights, gradients: Gradients, *, loss: float, once: bool, step: int) -> Evidence:
    found: list[Sequence[Array]] = []
    if not once:
        run.hand_over(gradients)

    def look(weights: Sequence[Array]) -> tuple[float, Gradients]:
        found.append(weights)
        return loss, gradients

    stepped = run.step_closure(look)
    if not found or (once and len(found) > 1):
        called = f"step {step}: the closure is called {len(found)} times"
        return workbench.violation(called, demand=workbench.ONE_LOOK)
    if once and any(a.tobytes() != b.tobytes() for a, b in zip(found[0], before, strict=True)):  # NaN may stay
        moved = f"step {step}: weights have moved before the closure is called"
        return workbench.violation(moved, demand=workbench.Demand("looks[0] == before"))
    if stepped.returned is None and not once:  # SAM returns none: its last loss is from other weights
        return workbench.agreement()
    returned = f"step {step}: the closure's loss is {loss:g}, step(closure) returns {stepped.returned}"
    return workbench.require(stepped.returned == loss, returned, workbench.Demand(f"returned == {loss}"))


@clause(
    id="optimizer.zero-grad",
    statement="zero_grad() leaves None or exact zeros on every parameter that the optimizer holds.",
    source="torch.optim.Optimizer.zero_grad. Wrappers that forward it to some groups only.",
    decision="After every step zero_grad() is called, with set_to_none=True or False. Then the .grad of every "
    "parameter must be None or zeros.",
    view=View.OPTIMIZER,
    refuted_by=("zeroes-the-first-group-only",),
    cases=lambda domain: workbench.feeds(domain, workbench.Feed(most_steps=2, zeros=False)),
    needs=Needs(traits=(FED_ALSO_BY_CLOSURES,), torch=True),
)
def zero_grad(subject: FedSubject, case: UpdateCase) -> Evidence:
    run, names = subject.start(case.tensors, case.plan), workbench.names_of(case)
    for t, gradients in enumerate(case.gradients):
        run.step(gradients)
        run.zero_gradients(set_to_none=bool((t + case.order[0]) % 2))
        left = [n for n, g in zip(names, run.gradients(), strict=True) if g is not None and workbench.any_entry(g)]
        if left:
            zeroed = workbench.Demand(f"{left[0]}.grad is None or not {left[0]}.grad.any()")
            return workbench.violation("zero_grad() leaves a gradient behind", blame=tuple(left), demand=zeroed)
    return workbench.agreement()


CLAUSES = (locality, maximize, late_group, closure, zero_grad)
