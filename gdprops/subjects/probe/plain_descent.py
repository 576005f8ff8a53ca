"""Measures whether a subject is plain gradient descent: every step, every tensor, large weights, a hundred steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from gdprops.model.case import Plan
from gdprops.model.optional_hyperparameters import further_rates
from gdprops.numerics.decisions import NEARLY_PARALLEL, PROBE_TOLERANCE, ULP
from gdprops.subjects.probe.experiment import LONG, RATE, SLOW_RATE, Probe
from gdprops.subjects.probe.separability import moves_vectors_otherwise

if TYPE_CHECKING:
    from gdprops.model.arrays import Array

FAR = 1024.0
"""The size of large weights: an optimizer that projects weights back into a ball is plain near 0 only."""


def plainness(probe: Probe) -> str:
    """Return "yes", a near miss in words, or "no": is every displacement -eta g, for every tensor, at every step?"""
    rate = RATE if probe.has_rate() else probe.subject.own_rate
    if rate is None:
        return "no"
    said = _describe_factors(_factors(probe, probe.plan(), probe.tensors(), probe.steps(), rate))
    if said == "yes" and probe.has_rate() and _rounds_more_than_once(probe):
        return "nearly: every tensor moves by -eta g, but in several roundings"
    if said == "yes" and _has_a_rate_for_vectors(probe):
        return "nearly: every matrix moves by -eta g, and vectors at a learning rate of their own"
    return said if said != "yes" else _far_and_long(probe, rate)


def _has_a_rate_for_vectors(probe: Probe) -> bool:
    """Say whether a hyperparameter is called a second learning rate, and the same numbers move otherwise as vectors."""
    run = probe.subject.start(probe.tensors(), probe.plan())
    return bool(further_rates(run.hyperparameters()[0])) and moves_vectors_otherwise(probe)


def _rounds_more_than_once(probe: Probe) -> bool:
    """Say whether a step misses w - eta g by some ulps and no more.

    The learning rate is a power of two, so eta g is exact and plain gradient descent rounds only once. A rule that
    rounds more often adds up parts of its step, or scales its rate, and is not called plain. A larger difference is
    left to the clauses.
    """
    before, ulps = probe.tensors(), [0.0]
    for after, gradients in zip(probe.trajectory(), probe.steps(), strict=True):
        for w, seen, g in zip(before, after, gradients, strict=True):
            ulp = np.spacing(np.abs(w).max() + np.abs(RATE * g).max())
            ulps.append(float(np.abs(seen - (w - w.dtype.type(RATE) * g)).max() / ulp))
        before = after
    return 0 < max(ulps) <= ULP


def _far_and_long(probe: Probe, rate: float) -> str:
    """Look at large weights and at many steps: a subject may be plain only near 0, or only at first."""
    far = [w * w.dtype.type(FAR) for w in probe.tensors()]
    if not _all_plain(_factors(probe, probe.plan(), far, probe.steps(), rate)):
        return f"nearly: every tensor moves by -eta g while weights are small, not from weights of size {FAR:g}"
    slow = SLOW_RATE if probe.has_rate() else rate
    constant = [probe.gradients(0)] * LONG
    for steps in (constant, probe.steps(LONG)):
        factors = _factors(probe, probe.plan(SLOW_RATE), probe.tensors(), steps, slow)
        wrong = next((t for t, step in enumerate(factors, start=1) if not _all_plain([step])), None)
        if wrong is not None:
            return f"nearly: every tensor moves by -eta g until step {wrong - 1}, not at step {wrong}"
    return "yes"


def _all_plain(factors: list[list[float | None]]) -> bool:
    return all(k == 1.0 for step in factors for k in step)


def _factors(
    probe: Probe, plan: Plan, tensors: list[Array], steps: Sequence[list[Array]], rate: float
) -> list[list[float | None]]:
    """Return for every step and tensor the k with w' - w = -k eta g, or None where the two are not parallel."""
    before, factors = tensors, []
    for after, gradients in zip(probe.run(plan, tensors, steps), steps, strict=True):
        pairs = zip(before, after, gradients, strict=True)
        factors.append([_factor(b, a, -rate * g) for b, a, g in pairs])
        before = after
    return factors


def _factor(before: Array, after: Array, expected: Array) -> float | None:
    """Return k with after - before = k * expected, or None where they are not parallel."""
    moved = (after.astype(float) - before.astype(float)).ravel()
    wanted = expected.astype(float).ravel()
    k = float(moved @ wanted / (wanted @ wanted))
    rounding = 2 * float(np.finfo(before.dtype).eps) * float(np.abs(before).max(initial=0))
    room = max(NEARLY_PARALLEL if before.dtype == np.float32 else PROBE_TOLERANCE, 1e-12, rounding)
    if np.abs(moved - k * wanted).max() > room * max(abs(k), 1):
        return None
    size = float(np.abs(wanted).max(initial=0)) or 1.0
    return 1.0 if abs(k - 1) < max(room * 10, 4 * rounding / size) else k


def _describe_factors(factors: list[list[float | None]]) -> str:
    if _all_plain(factors):
        return "yes"
    every = [k for step in factors for k in step]
    known = [k for k in every if k is not None]
    if known and not any(known):
        return "no"
    if len(known) == len(every) and known and max(known) - min(known) <= NEARLY_PARALLEL * abs(known[0]):
        return f"nearly: every displacement is {_shown(known)} times -eta g"
    return _plain_tensors(factors) or _plain_steps(factors) or "no"


def _shown(factors: list[float]) -> str:
    """Return nearly equal factors as one number, without the digits in which they differ by rounding."""
    mean = float(np.mean(factors))
    spread = max(abs(k - mean) for k in factors) / abs(mean)
    return f"{mean:.{min(9, math.floor(-math.log10(spread or 1e-9)))}g}"


def _plain_tensors(factors: list[list[float | None]]) -> str:
    """Return in words how many tensors are plain at every step, empty where none is."""
    tensors = [_all_plain([list(tensor)]) for tensor in zip(*factors, strict=True)]
    moves = "moves" if sum(tensors) == 1 else "move"
    told = f"nearly: {sum(tensors)} of {len(tensors)} tensors {moves} by -eta g at every step, the others do not"
    return told if any(tensors) else ""


def _plain_steps(factors: list[list[float | None]]) -> str:
    """Return in words at which steps all tensors are plain, empty where only the first step is, or none."""
    steps = [t for t, step in enumerate(factors, start=1) if _all_plain([step])]
    named = f"{'step' if len(steps) == 1 else 'steps'} {', '.join(map(str, steps))}"
    return f"nearly: every tensor moves by -eta g at {named} only" if set(steps) - {1} else ""
