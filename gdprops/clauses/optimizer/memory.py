"""Chapter optimizer, continued: whose memory a step reads and writes."""

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
    statement="State is the optimizer's own: it shares no memory with a gradient, a parameter or other state.",
    source="holocron#1: in-place bias correction accumulates in the first moment; buffers that are the gradient.",
    decision="The gradients overwritten with NaN after every step, and new ones given: bytes of the undisturbed run at "
    "every step. No tensor of the state overlaps a parameter, a gradient, or another parameter's state.",
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
    source="pytorch#12218, and pytorch#92706 in foreach paths alone: weight decay written into p.grad; pcx#67: scaled "
    "gradients compound at the next step.",
    decision="Bytes of .grad (of the arrays that were handed over) after every step; and with each implementation "
    "(foreach, fused, ...), as the user builds it but for decay and maximize.",
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
    """Look after the gradients as a case has it, or in an implementation with what is known to be written there."""
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
    source="accelerate#2665: the optimizer holds other tensors than the model.",
    decision="Identity and form of every parameter after every step; again with parameters of another dtype, where "
    "that is not refused.",
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
    """Return after which step which parameters are others than before; nothing where all are the same."""
    run = subject.start(case.tensors, case.plan)
    for t, gradients in enumerate(case.gradients, start=1):
        run.step(gradients)
        found = run.replaced()
        if found:
            return f"after step {t}: {found}"
    return ""


def _replaced_in(dtype: str, subject: FedSubject, case: UpdateCase) -> str:
    """Return the same of parameters in a dtype that the subject may refuse, as many do."""
    try:
        return _replaced(subject, replace(case, plan=replace(case.plan, dtype=dtype)))
    except (SubjectCrash, Unsupported):
        return ""


@clause(
    id="optimizer.in-place",
    statement="A step writes into the parameter's own memory.",
    source="Tied, flattened and shared parameters are views: new memory behind one of them parts it from the others.",
    decision="The address of every parameter's numbers after every step.",
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
        return workbench.violation("its numbers lie elsewhere after the step", blame=tuple(moved))
    return workbench.agreement()


@clause(
    id="optimizer.layout",
    statement="How parameters and gradients lie in memory changes nothing: transposed, strided, channels last.",
    source="A crash on non-contiguous parameters in a released optimizer; view() where reshape() is needed.",
    decision="Parameters and gradients, each for itself, transposed and strided, and both with channels last where "
    "there are four dimensions, against contiguous ones: the same but for rounding (four times what ulps of the inputs "
    "change), at every step.",
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
"""In the order of the specification."""
