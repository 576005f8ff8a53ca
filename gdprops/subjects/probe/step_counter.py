"""Trait ``clock``: what keeps the step count: each tensor, its parameter group, or the whole optimizer.

The probe gives one tensor its first gradient late. With a step count of its own, the tensor then moves as in a fresh
optimizer; with a common one it moves otherwise (Adam's bias correction is then that of a later step).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from gdprops.errors import SubjectCrash, Unsupported
from gdprops.numerics.comparison import differ
from gdprops.subjects.probe.experiment import RATE, STEPS, Probe

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.case import Plan
    from gdprops.model.subject import Gradients

WAITS = (2, 3)
"""The numbers of steps before the late gradient or group: two of them, because some rules alternate."""
Late = Callable[["Probe", "Plan", "list[list[Array]]", int], "list[Array]"]
_LATE = "a tensor with its first gradient at step 3 or 4"
_OTHERWISE = f"{_LATE} does not move as in a fresh optimizer"
_EVIDENCE = {
    "tensor": f"{_LATE} moves as in a fresh optimizer",
    "group": f"{_OTHERWISE}, but a tensor in a group added then does",
    "optimizer": _OTHERWISE,
}


def clock(probe: Probe) -> None:
    """Measure how a tensor moves whose first gradient comes at a later step: as in a fresh optimizer or not.

    Where a late tensor of an existing group does not start afresh, but a tensor of a late group does, the group keeps
    the count. A tensor that would not move in a fresh optimizer either shows nothing.
    """
    if probe.value("separability") in ("element", "tensor") and _moves_alone(probe):
        value = clock_with(probe, {})
        probe.note("clock", value, _EVIDENCE[value])


def _moves_alone(probe: Probe) -> bool:
    run = probe.run(probe.plan(groups=((2,),)), probe.tensors(), probe.steps(probe.waits() + STEPS))
    return differ(run[-1][2:], probe.tensors()[2:])


def clock_with(probe: Probe, options: Mapping[str, float | bool]) -> str:
    """Return what keeps the step count with these options on."""
    plan, last = probe.plan(options=options), probe.waits() + STEPS
    for value, late in (("tensor", _late_gradient), ("group", _late_group)):
        if all(_starts_afresh(probe, plan, late, waits, last) for waits in WAITS):
            return value
    return "optimizer"


def counted_otherwise(probe: Probe, options: Mapping[str, float | bool]) -> bool:
    """Say whether, with these options on, anything but each tensor keeps the step count.

    A tensor that moves before its first gradient tells nothing about the count: it takes a step that it must not take.
    """
    return clock_with(probe, options) != "tensor" and not _moves_without_gradient(probe, probe.plan(options=options))


def _moves_without_gradient(probe: Probe, plan: Plan) -> bool:
    steps: list[Gradients] = [[*s[:2], None] for s in probe.steps(max(WAITS))]
    try:
        return differ(probe.run(plan, probe.tensors(), steps)[-1][2:], probe.tensors()[2:])
    except (SubjectCrash, Unsupported):
        return False


def _starts_afresh(probe: Probe, plan: Plan, late: Late, waits: int, last: int) -> bool:
    """Say whether the third tensor, given its first gradient late, moves as in a fresh optimizer."""
    steps = probe.steps(waits + last)
    fresh = probe.end(replace(plan, groups=((2,),)), probe.tensors(), steps[waits:])
    try:
        return not differ(late(probe, plan, steps, waits)[2:], fresh[2:])
    except (SubjectCrash, Unsupported):
        return False


def _late_gradient(probe: Probe, plan: Plan, steps: list[list[Array]], waits: int) -> list[Array]:
    there: list[Gradients] = [[*s[:2], s[2] if t >= waits else None] for t, s in enumerate(steps)]
    return probe.end(plan, probe.tensors(), there)


def _late_group(probe: Probe, plan: Plan, steps: list[list[Array]], waits: int) -> list[Array]:
    run = probe.subject.start(probe.tensors(), replace(plan, groups=((0, 1),)))
    for t, step in enumerate(steps):
        if t == waits:
            run.add_group((2,), RATE if probe.has_rate() else None)
        run.step([*step[:2], step[2] if t >= waits else None])
    return run.weights()
