"""Trait ``lr_response``: how the displacement of one step depends on the learning rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from gdprops.subjects.probe.experiment import RATE, STEPS, Probe, near
from gdprops.subjects.probe.separability import VARIANTS, Variant

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.case import Plan

LATE = 20
"""A late step, at which an estimate that follows the learning rate has begun to move."""


def rate_response(probe: Probe) -> None:
    """Compare the displacements at eta, 2 eta and 10 eta, all taken from one and the same state."""
    if not probe.has_rate():
        probe.note("lr_response", "own-schedule", "there is no learning rate to read or set")
        return
    found = {_response_at(probe, t, probe.plan()) for t in range(STEPS)}
    if found == {"linear"} and not _linear_elsewhere(probe):
        said = "nearly: linear at a rate of 1/8, not at a rate of 1, with gradients that grow or stay"
        probe.note("lr_response", "nonlinear", said)
        return
    value = found.pop() if len(found) == 1 else "nonlinear"
    what = "each of four steps at 1, 2 and 10 times the rate, from the same state"
    miss = "nearly: there is a learning rate, but setting it changes nothing; " if value == "ignored" else ""
    probe.note("lr_response", value, miss + what)


def _linear_elsewhere(probe: Probe) -> bool:
    """Say whether a step stays linear in the learning rate at another rate, with growing or constant gradients."""
    plan, down = probe.plan(1.0), VARIANTS[2]
    ways = [(t, variant) for t in (1, 2, 3) for variant in (down, replace(down, scale=-down.scale))]
    ways.append((LATE, next(variant for variant in VARIANTS if variant.constant)))
    return all(_response_at(probe, t, plan, variant) == "linear" for t, variant in ways)


def is_linear_with(probe: Probe, options: Mapping[str, float | bool]) -> bool:
    """Say whether a step stays linear in the learning rate with these options on."""
    return all(_response_at(probe, t, probe.plan(options=options)) == "linear" for t in range(1, STEPS))


def _response_at(probe: Probe, t: int, plan: Plan, variant: Variant | None = None) -> str:
    fed = (variant or VARIANTS[0]).gradients(probe)
    once, slow = _displacement(probe, fed[: t + 1], 1.0, plan)
    others = [_displacement(probe, fed[: t + 1], c, plan) for c in (2.0, 10.0)]
    size = max(float(np.abs(m).max(initial=0)) for m in others[-1][0]) or 1.0
    room = probe.resolution * size
    if all(near(moved, [rate / slow * m for m in once], room) for moved, rate in others):
        return "linear"
    return "ignored" if all(near(moved, once, room) for moved, _ in others) else "nonlinear"


def _displacement(probe: Probe, fed: Sequence[list[Array]], factor: float, plan: Plan) -> tuple[list[Array], float]:
    """Return the last step's displacement, and the learning rate in force, which a float32 store has rounded."""
    run = probe.subject.start(probe.tensors(), plan)
    for step in fed[:-1]:
        run.step(step)
    before = run.weights()
    run.scale_rate(factor)
    rate = run.rates()[0] or (plan.rates or (RATE,))[0] * factor
    run.step(fed[-1])
    return [a.astype(float) - b.astype(float) for a, b in zip(run.weights(), before, strict=True)], rate
