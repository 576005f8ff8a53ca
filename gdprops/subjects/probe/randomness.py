"""Trait ``randomness``: which random numbers a step draws."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gdprops.numerics.comparison import differ
from gdprops.subjects.probe.experiment import Probe


def randomness(probe: Probe) -> None:
    """Measure whether a step draws no random numbers, global ones, or its own.

    Every run starts from the same global random numbers, so runs that still differ draw from a private generator. A
    private generator that is always seeded alike gives equal runs; it is detected while it is drawn from. Some rules
    draw random numbers in one precision only, to round to it, so both are tried.
    """
    what = "the same four steps twice, and from other global random numbers"
    for trial in _in_every_precision(probe):
        value, how = _random_numbers(trial)
        if value != "none":
            probe.note("randomness", value, f"{what}, in {trial.dtype}{how}")
            return
    probe.note("randomness", "none", what)


def _in_every_precision(probe: Probe) -> list[Probe]:
    names = [name for name in probe.value("dtypes").split("+") if name in ("float64", "float32")]
    return [Probe(probe.subject, np.dtype(name), rated=probe.rated) for name in names] or [probe]


def _random_numbers(probe: Probe) -> tuple[str, str]:
    """Return which random numbers four steps draw, and how that was seen where it is not obvious."""
    first, again = probe.trajectory()[-1], probe.trajectory()[-1]
    if differ(first, again):
        return "private", ""
    if differ(first, probe.trajectory(replace(probe.plan(), seed=1))[-1]):
        return "global", ""
    return ("private", ": it repeats, and draws from a generator of its own") if _has_its_own(probe) else ("none", "")


def _has_its_own(probe: Probe) -> bool:
    run = probe.subject.start(probe.tensors(), probe.plan())
    return any(run.draws_privately(gradients) for gradients in probe.steps())
