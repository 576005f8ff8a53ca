"""Chapter optimizer, continued: a step reads and writes only the memory that it may.

It must not keep a gradient as its state, write into a gradient, or replace the parameters by new objects, and it must
read a tensor correctly whatever its layout in memory. Example: a momentum buffer that *is* the gradient's tensor turns
into NaN when the next backward pass overwrites the gradient with NaN.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gdprops.clauses.support.fed_subjects import (
    FED,
    FED_ALSO_BY_CLOSURES,
    REPEATABLE,
    implementations_of,
    same_trajectory,
)
from gdprops.clauses.support.lazy import lazy
from gdprops.errors import SubjectCrash, Unsupported
from gdprops.model.case import CHANNELS_LAST, IMAGES, STRIDED, TRANSPOSED
from gdprops.model.clause import Level, Needs, View, clause
from gdprops.model.subject import Delivery

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gdprops.clauses.support import workbench
    from gdprops.clauses.support.optimizer_runs import Weights
    from gdprops.model.case import Plan, UpdateCase
    from gdprops.model.evidence import Evidence
    from gdprops.model.subject import FedSubject
else:
    workbench = lazy("gdprops.clauses.support.workbench")

OTHER_DTYPES = ("float64", "bfloat16", "float16")


@clause(
    id="optimizer.state-not-aliased",
    statement="The state belongs to the optimizer alone: it shares no memory with a gradient, a parameter or other "
    "state.",
    source="frgfm/holocron#1: in-place bias correction accumulates in the first moment. Momentum buffers that are "
    "the gradient itself.",
    decision="After every step the gradients are overwritten with NaN, and new ones are given for the next step. "
    "The bytes of the weights must equal those of an undisturbed run at every step. Besides, no tensor of the state "
    "may overlap in memory with a parameter, a gradient, or the state of another parameter.",
    view=View.OPTIMIZER,
    refuted_by=("momentum-is-the-gradient", "slow-weights-are-the-weights", "momentum-in-one-scratch-buffer"),
    cases=lambda domain: workbench.feeds(domain, workbench.Feed(least_steps=3, missing=True, longest=12)),
    needs=Needs(traits=(FED, REPEATABLE), torch=True),
)
def state_not_aliased(subject: FedSubject, case: UpdateCase) -> Evidence:
    expected = workbench.feed(subject, case)
    run = subject.start(case.tensors, case.plan)
    seen = [run.weights()]
    for gradients in case.gradients:
        run.step(gradients)
        shared = run.aliases()
        if shared:
            more = f", and {len(shared) - 1} more" if len(shared) > 1 else ""
            return workbench.violation(f"after step {len(seen)}: {shared[0]}{more}")
        run.spoil_gradients()
        seen.append(run.weights())
    return same_trajectory(case, seen, expected, "each gradient overwritten after its step")


@clause(
    id="optimizer.gradient-untouched",
    statement="A step leaves the gradients as they are.",
    source="pytorch/pytorch#12218, and pytorch/pytorch#92706 in foreach paths alone: weight decay is written into "
    "p.grad. liukidar/pcx#67: scaled gradients are scaled again at the next step.",
    decision="The bytes of .grad (or of the arrays that were handed over) are compared before and after every step. "
    "This is repeated with each implementation that the optimizer accepts (foreach, fused, …), built as the user "
    "builds it but for weight decay and maximize.",
    level=Level.RECOMMENDED,
    view=View.OPTIMIZER,
    refuted_by=("decays-into-the-gradient", "foreach-decays-into-the-gradient"),
    cases=lambda domain: workbench.feeds(domain, workbench.Feed(missing=True, most_steps=3)),
    needs=Needs(traits=(FED,)),
)
def gradient_untouched(subject: FedSubject, case: UpdateCase) -> Evidence:
    accepted = implementations_of(subject)
    ways = [{}, *({**dict.fromkeys(accepted, False), flag: True} for flag in accepted)]
    return workbench.combine(_untouched(subject, case, way) for way in ways)


def _untouched(subject: FedSubject, case: UpdateCase, way: dict[str, bool]) -> Evidence:
    """Compare the gradients before and after every step, in the implementation that ``way`` switches on.

    An empty ``way`` takes all options that were drawn; other ways only those known to be written into gradients.
    """
    what = "".join(f"{flag}=True, " for flag, on in way.items() if on) + "the gradient after the step"
    try:
        return _left(subject, replace(case, plan=replace(case.plan, options=_written(case.plan.options, way))), what)
    except SubjectCrash as crash:
        if not way:
            raise
        return workbench.vacuous(f"{what}: {crash}")


def _written(drawn: Mapping[str, Any], way: dict[str, bool]) -> Mapping[str, Any]:
    kept = {key: value for key, value in drawn.items() if key in workbench.decisions.WRITTEN_INTO_GRADIENTS}
    return {**kept, **way} if way else drawn


def _left(subject: FedSubject, case: UpdateCase, what: str) -> Evidence:
    run, names, parts = subject.start(case.tensors, case.plan), workbench.names_of(case), []
    for t, gradients in enumerate(case.gradients, start=1):
        run.step(gradients)
        given = [(i, g) for i, g in enumerate(gradients) if g is not None and i in case.plan.indices]
        left = run.gradients()
        gone = tuple(names[i] for i, _ in given if left[i] is None)
        if gone:
            return workbench.violation(f"step {t} removes the gradient", blame=gone)
        seen = [workbench.array(left[i], like=g) for i, g in given]
        blamed = [names[i] for i, _ in given]
        parts.append(workbench.same_bytes(seen, [g for _, g in given], names=blamed, what=what, step=t))
    return workbench.combine(parts)


@clause(
    id="optimizer.storage",
    statement="After a step param_groups hold the same parameter objects, of the same shape, dtype, device and "
    "requires_grad.",
    source="huggingface/accelerate#2665: the optimizer holds other tensors than the model.",
    decision="After every step each parameter must be the same object and have the same form. This is repeated with "
    "parameters of another dtype, unless the optimizer refuses them.",
    view=View.OPTIMIZER,
    refuted_by=("puts-new-parameters-into-its-groups", "parameters-lose-a-dimension", "makes-everything-float32"),
    cases=lambda domain: workbench.feeds(domain, workbench.Feed(missing=True, most_steps=2, mixed=True)),
    needs=Needs(traits=(FED_ALSO_BY_CLOSURES,), torch=True),
)
def storage(subject: FedSubject, case: UpdateCase) -> Evidence:
    dtype = OTHER_DTYPES[case.order[0] % len(OTHER_DTYPES)]
    found = _replaced(subject, case) or _replaced_in(dtype, subject, case)
    return workbench.violation(found) if found else workbench.agreement()


def _replaced(subject: FedSubject, case: UpdateCase) -> str:
    """Return which parameters are new objects, and after which step; an empty string if none is."""
    run = subject.start(case.tensors, case.plan)
    for t, gradients in enumerate(case.gradients, start=1):
        run.step(gradients)
        found = run.replaced()
        if found:
            return f"after step {t}: {found}"
    return ""


def _replaced_in(dtype: str, subject: FedSubject, case: UpdateCase) -> str:
    """Return which parameters of another dtype are new objects; an empty string if the subject refuses the dtype."""
    try:
        return _replaced(subject, replace(case, plan=replace(case.plan, dtype=dtype)))
    except (SubjectCrash, Unsupported):
        return ""


@clause(
    id="optimizer.in-place",
    statement="A step writes into the parameter's own memory.",
    source="Tied, flattened and shared parameters are views of one memory. New memory for one of them separates it "
    "from the others.",
    decision="The address of every parameter's numbers must be the same before the first step and after the last.",
    level=Level.RECOMMENDED,
    view=View.OPTIMIZER,
    refuted_by=("moves-into-new-memory",),
    cases=lambda domain: workbench.feeds(domain, workbench.Feed(most_steps=2)),
    needs=Needs(traits=(FED,), torch=True, unless_declared=(("storage", "replaced"),)),
)
def in_place(subject: FedSubject, case: UpdateCase) -> Evidence:
    run, names = subject.start(case.tensors, case.plan), workbench.names_of(case)
    before = run.addresses()
    for gradients in case.gradients:
        run.step(gradients)
    moved = [name for name, a, b in zip(names, before, run.addresses(), strict=True) if a != b]
    if moved:
        return workbench.violation("its numbers are at another address after the step", blame=tuple(moved))
    return workbench.agreement()


@clause(
    id="optimizer.layout",
    statement="The layout of parameters and gradients in memory changes nothing: transposed, strided, channels last.",
    source="A crash on non-contiguous parameters in a released optimizer. view() where reshape() is needed.",
    decision="A run with contiguous tensors is compared with runs in which the parameters or the gradients are "
    "transposed or strided in memory, and, for tensors of four dimensions, both are stored channels last. They must "
    "agree but for rounding at every step: allowed is four times the change that one ulp in weights, gradients and "
    "rates makes, and a few ulps more. An example is decisive when something moves.",
    view=View.OPTIMIZER,
    refuted_by=("reads-memory-in-order", "moves-a-contiguous-copy"),
    cases=lambda domain: workbench.feeds(domain, workbench.Feed(most_steps=3)),
    needs=Needs(traits=(FED, REPEATABLE), torch=True),
)
def layout(subject: FedSubject, case: UpdateCase) -> Evidence:
    expected = workbench.feed(subject, case)
    if not _has_layouts(case):
        return workbench.vacuous("no tensor has two entries")
    ways = {
        "parameters transposed in memory": (replace(case.plan, layout=TRANSPOSED), Delivery.ASSIGNED),
        "parameters strided in memory": (replace(case.plan, layout=STRIDED), Delivery.ASSIGNED),
        "gradients transposed in memory": (case.plan, Delivery.TRANSPOSED),
        "gradients strided in memory": (case.plan, Delivery.STRIDED),
    }
    if any(w.ndim == IMAGES for w in case.tensors):
        ways["channels last in memory"] = (replace(case.plan, layout=CHANNELS_LAST), Delivery.CHANNELS_LAST)
    return workbench.combine(
        _laid_out(subject, case, plan, delivery, expected, what) for what, (plan, delivery) in ways.items()
    )


def _has_layouts(case: UpdateCase) -> bool:
    return any(w.size > 1 for w in case.tensors)


def _laid_out(
    subject: FedSubject, case: UpdateCase, plan: Plan, delivery: Delivery, expected: list[Weights], what: str
) -> Evidence:
    seen = workbench.feed(subject, case, plan, delivery=delivery)
    if not workbench.differ(expected[-1], case.tensors):
        return workbench.vacuous("nothing moves")
    return workbench.rounded_alike(case, seen, expected, lambda other: workbench.feed(subject, other), what)


CLAUSES = (state_not_aliased, gradient_untouched, storage, in_place, layout)
"""The clauses of this file, in the order of the specification."""
