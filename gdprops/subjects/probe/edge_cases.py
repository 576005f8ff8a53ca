"""Traits at the edges: a learning rate of 0, gradients that are zero, missing or NaN, memory, evaluation mode."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gdprops.errors import SubjectCrash, Unsupported
from gdprops.numerics.comparison import differ
from gdprops.subjects.probe.experiment import RATE, STEPS, Probe

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.subject import Gradients


def rate_zero(probe: Probe) -> None:
    """Set the learning rate to 0 and take four steps."""
    if probe.has_rate():
        probe.note("lr_zero", _still(probe, probe.steps(), 0.0), "four steps after setting the rate to 0")


def gradient_zero(probe: Probe) -> None:
    """Take four steps with gradients of zeros."""
    zeros = [[w * 0 for w in probe.tensors()]] * STEPS
    probe.note("gradient_zero", _still(probe, zeros), "four steps with gradients of zeros")


def _still(probe: Probe, steps: list[list[Array]], rate: float = RATE) -> str:
    try:
        seen = probe.run(probe.plan(rate), probe.tensors(), steps)
    except SubjectCrash:
        return "rejects"
    return "moves" if differ(seen[-1], probe.tensors()) else "still"


def gradient_none(probe: Probe) -> None:
    """Take away one tensor's gradient at the second of three steps."""
    first, second, third = probe.steps(3)
    steps: list[Gradients] = [first, [None, *second[1:]], third]
    try:
        seen = probe.run(probe.plan(), probe.tensors(), steps)
    except (SubjectCrash, Unsupported) as crash:
        probe.note("gradient_none", "rejects", str(crash))
        return
    moved = differ(seen[1][:1], seen[0][:1])
    said = "a tensor without a gradient at the second step"
    probe.note("gradient_none", "as-zero" if moved else "untouched", f"{said} {'moves' if moved else 'stays'} there")


def gradient_nan(probe: Probe) -> None:
    """Put NaN into one entry of one gradient at the second of four steps, and see which weights become NaN."""
    steps = probe.steps()
    steps[1][0].flat[0] = np.nan
    try:
        last = probe.run(probe.plan(), probe.tensors(), steps)[-1]
    except SubjectCrash as crash:
        probe.note("gradient_nan", "raises", str(crash))
        return
    probe.note("gradient_nan", _reach([~np.isfinite(w) for w in last]), "one NaN in a gradient at step 2 of 4")


def _reach(bad: list[Array]) -> str:
    if any(b.any() for b in bad[1:]):
        return "all"
    if bad[0].sum() > 1:
        return "tensor"
    return "element" if bad[0].any() else "silent"


def storage(probe: Probe) -> None:
    """Compare where the parameters' numbers lie in memory before and after four steps."""
    run = probe.subject.start(probe.tensors(), probe.plan())
    try:
        before = run.addresses()
    except Unsupported:
        return
    for step in probe.steps():
        run.step(step)
    value = "in-place" if run.addresses() == before else "replaced"
    probe.note("storage", value, "the address of each parameter's numbers before and after four steps")


def modes(probe: Probe) -> None:
    """Switch to evaluation mode after four steps, and see whether the weights change with it."""
    run = probe.subject.start(probe.tensors(), probe.plan())
    for step in probe.steps():
        run.step(step)
    before = run.weights()
    if not run.evaluate():
        probe.note("modes", "no", "it has no eval()")
        return
    moved = differ(before, run.weights())
    said = f"eval() after four steps {'changes' if moved else 'leaves'} the weights"
    probe.note("modes", "yes" if moved else "no", said)


EDGES = (rate_zero, gradient_zero, gradient_none, gradient_nan, storage, modes)
