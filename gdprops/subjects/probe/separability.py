"""Trait ``separability``: what one entry's update depends on: itself, its tensor, its group, or every parameter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

from gdprops.errors import SubjectCrash, Unsupported
from gdprops.subjects.probe.experiment import ALL, LONG, RATE, SLOW_RATE, STEPS, Probe, near

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.case import Plan

HALF_AS_LONG = LONG // 2
EVERY_PAIR = 6
"""The number of ordered pairs of three tensors: a coupling by design reaches all of them."""


@final
@dataclass(frozen=True, slots=True)
class Variant:
    """One experiment that looks for a coupling: a learning rate, a number of steps, and a sequence of gradients.

    Gradients are multiplied by ``scale`` and grow by the factor ``growth`` at each step; ``constant`` repeats the first
    step's gradients. ``factors`` multiply one entry, at every step, or with ``every`` 2 at every second step (a sign
    that is flipped at all steps changes no sum of signs). ``settles``: instead, the factor replaces all entries of one
    tensor's gradients, at every step. A ``rare`` experiment is not tried on groups.
    """

    rate: float
    steps: int
    factors: tuple[float, ...]
    scale: float = 1.0
    growth: float = 1.0
    rare: bool = False
    constant: bool = False
    every: int = 1
    settles: bool = False

    def gradients(self, probe: Probe) -> list[list[Array]]:
        """Return the gradients of the experiment's steps."""
        sizes = [self.scale * self.growth**t for t in range(self.steps)]
        steps = [probe.gradients(0)] * self.steps if self.constant else probe.steps(self.steps)
        return [[g * g.dtype.type(c) for g in step] for step, c in zip(steps, sizes, strict=True)]


VARIANTS = (
    Variant(RATE, STEPS, (3.0, 1000.0, 0.0, -1.0)),
    Variant(RATE, STEPS, (2.0**10,), settles=True),
    Variant(1.0, STEPS, (3.0, 1000.0, 0.0, -1.0), scale=2.0**-6, growth=2.0),
    Variant(SLOW_RATE, HALF_AS_LONG, (3.0, -1.0)),
    Variant(1.0, HALF_AS_LONG, (3.0, -1.0), constant=True, every=2),
    Variant(1.0, 3 * STEPS, (30.0, -30.0, 1e-3), scale=2.0**-3, rare=True),
    Variant(1.0, 3 * STEPS, (30.0, -30.0, 1e-3), scale=2.0**3, growth=0.5, rare=True),
    Variant(RATE, 3 * STEPS, (30.0, -30.0, 1e6), scale=2.0**-3, growth=1.5, rare=True),
)
"""The experiments, the usual one first. Some couplings show only where they are the smaller of two lengths (one of them
the learning rate), where a norm grows, or once one tensor has settled."""
PAIR = ((0, 1), (2,))
"""The three tensors in two parameter groups."""


def separability(probe: Probe) -> None:
    """Disturb one entry of each tensor, gently, violently and to nothing, and see which other entries change.

    A coupling by design treats all parameters of its group alike. A coupling that reaches some tensors and not others
    does not count as one: it is printed as "uneven", and the clauses about order and grouping still apply. Some
    couplings begin late.
    """
    found, late = _spread_at_all(probe)
    between = _between(found)
    what = f"one entry of each weight and gradient disturbed, in four steps{' (it sets in late)' * late}"
    if between and len(between) < EVERY_PAIR:
        uneven = ", ".join(f"tensor {i + 1} on tensor {j + 1}" for i, j in between)
        probe.note("separability", "tensor", f"nearly: an uneven coupling ({uneven}); {what}")
    elif between:
        probe.note("separability", "group" if _stays_in_group(probe) else "all", what)
    elif any(found[i][i] for i in ALL):
        probe.note("separability", "tensor", what)
    elif moves_vectors_otherwise(probe):
        miss = "nearly: element-wise, but the same numbers move differently as vectors and as matrices"
        probe.note("separability", "tensor", f"{miss}; {what}")
    else:
        probe.note("separability", "element", what)


def _spread_at_all(probe: Probe) -> tuple[list[list[bool]], bool]:
    """Return which tensor reaches which in any experiment, and whether only later experiments show it."""
    found = first = _spread(probe, VARIANTS[0])
    for variant in VARIANTS[1:]:
        if len(_between(found)) < EVERY_PAIR:
            found = _either(found, _spread(probe, variant))
    return found, bool(_between(found)) and not _between(first)


def moves_vectors_otherwise(probe: Probe, options: Mapping[str, float | bool] | None = None) -> bool:
    """Say whether the number of dimensions matters, as for a rule that decays or factorizes matrices only."""
    plan, flat = probe.plan(options=options), [w.reshape(-1) for w in probe.tensors()]
    try:
        ends = probe.run(plan, flat, [[g.reshape(-1) for g in step] for step in probe.steps()])[-1]
    except SubjectCrash:
        return False
    return not near(ends, [w.reshape(-1) for w in probe.trajectory(plan)[-1]], probe.resolution)


def _either(a: list[list[bool]], b: list[list[bool]]) -> list[list[bool]]:
    return [[x or y for x, y in zip(xs, ys, strict=True)] for xs, ys in zip(a, b, strict=True)]


def _between(spread: list[list[bool]]) -> list[tuple[int, int]]:
    return [(i, j) for i in ALL for j in ALL if i != j and spread[i][j]]


def couples_entries_with(probe: Probe, options: Mapping[str, float | bool]) -> bool:
    """Say whether, with these options on, entries of one tensor influence each other, but not another tensor."""
    spread = _spread(probe, VARIANTS[0], options)
    return any(spread[i][i] for i in ALL) and not _between(spread)


def _spread(probe: Probe, variant: Variant, options: Mapping[str, float | bool] | None = None) -> list[list[bool]]:
    """Return whether disturbing an entry of tensor i changes tensor j (on the diagonal: the other entries of i)."""
    plan = probe.plan(variant.rate, options=options)
    gradients = variant.gradients(probe)
    base = probe.end(plan, probe.tensors(), gradients)
    found = [[False] * 3 for _ in ALL]
    for factor in variant.factors:
        if not variant.settles and not _reaches_others(probe, plan, factor, variant, gradients, base):
            continue
        for i in ALL:
            other = _disturbed(probe, plan, {i: 0}, factor, variant, gradients)
            for j in ALL:
                first = 1 if i == j else 0
                found[i][j] |= (i != j or not variant.settles) and _other_numbers(
                    base[j].ravel()[first:], other[j].ravel()[first:]
                )
    return found


APART = {0: 0, 1: 1, 2: 2}
"""One entry of each tensor, at another place in each: what couples entries at equal places shows too."""


def _reaches_others(
    probe: Probe, plan: Plan, factor: float, variant: Variant, gradients: list[list[Array]], base: list[Array]
) -> bool:
    """Say whether disturbing one entry of every tensor at once changes any other entry: mostly, none does."""
    ends = _disturbed(probe, plan, APART, factor, variant, gradients)
    return any(_other_numbers(np.delete(base[j], APART[j]), np.delete(ends[j], APART[j])) for j in ALL)


def _stays_in_group(probe: Probe) -> bool:
    """Say whether a disturbance in the first of two groups leaves the second group alone."""
    split = probe.plan(groups=PAIR)
    grouped = grouped_weights(probe, split)
    return grouped is not None and not any(
        _reaches_the_other_group(probe, split, variant) for variant in VARIANTS if not variant.rare
    )


def _reaches_the_other_group(probe: Probe, split: Plan, variant: Variant) -> bool:
    gradients = variant.gradients(probe)
    alone = probe.end(split, probe.tensors(), gradients)[2]
    ends = (_disturbed(probe, split, {0: 0}, factor, variant, gradients)[2] for factor in variant.factors)
    return any(_other_numbers(alone, end) for end in ends)


def _other_numbers(a: Array, b: Array) -> bool:
    """Say whether any entry differs; an entry that has overflowed on either side is left out."""
    known = np.isfinite(a) & np.isfinite(b)
    return bool((a[known] != b[known]).any())


def _disturbed(
    probe: Probe,
    plan: Plan,
    entries: Mapping[int, int],
    factor: float,
    variant: Variant,
    gradients: list[list[Array]],
) -> list[Array]:
    """Return the weights at the end where one entry of some tensors is disturbed; ``entries``: which, by tensor."""
    tensors, gradients = probe.tensors(), [list(step) for step in gradients]
    for tensor, entry in entries.items():
        if not variant.settles:
            tensors[tensor] = _scaled(tensors[tensor], entry, factor or 0.5)
        for step in gradients[:: variant.every]:
            kept = step[tensor]
            step[tensor] = np.full_like(kept, factor) if variant.settles else _scaled(kept, entry, factor)
    return probe.end(plan, tensors, gradients)


def _scaled(values: Array, entry: int, factor: float) -> Array:
    changed = values.copy()
    changed.flat[entry] *= factor
    return changed


def grouped_weights(probe: Probe, split: Plan) -> list[Array] | None:
    """Return the weights after four steps in two groups, or None where the subject refuses several groups."""
    try:
        return probe.trajectory(split)[-1]
    except (SubjectCrash, Unsupported):
        return None
