"""Two computations of one rule that may round differently: how far they may be apart, and whether they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from gdprops.clauses.support.tensor_variants import array, each_gradient
from gdprops.model.evidence import Evidence, combine
from gdprops.numerics import decisions
from gdprops.numerics.comparison import compare, differ
from gdprops.numerics.floor import perturbed

if TYPE_CHECKING:
    from gdprops.clauses.support.optimizer_runs import Weights
    from gdprops.model.arrays import Array
    from gdprops.model.case import UpdateCase

Rerun = Callable[["UpdateCase"], list["Weights"]]
"""Weights before and after every step of a feed, computed the way that is taken to be right."""


def rounded_alike(
    case: UpdateCase,
    seen: Sequence[Weights],
    expected: Sequence[Weights],
    rerun: Rerun,
    what: str,
    *,
    first: int = 0,
    extra: float = 0.0,
    rough: float = 0.0,
    names: Sequence[str] = (),
) -> Evidence:
    """Compare two trajectories of one rule that may round differently.

    Bit-equal ones agree. Else what is allowed is measured on ``rerun``: four times the largest change that ulps of
    weights, gradients and rates make, per tensor and step, a few ulps of the weights and of the way that was gone,
    there and back, and the share ``extra`` of it; ``rough`` where the rule rounds the gradients itself.
    """
    names = names or [f"w{i + 1}" for i in range(len(case.tensors))]
    if not any(differ(s, e) for s, e in zip(seen, expected, strict=True)):
        return Evidence()
    allowed = allowances(case, expected, rerun, extra, rough)
    return combine(
        compare(s, e, names=names, allowed=allowed[t], start=expected[max(t - 1, 0)], step=first + t, what=what)
        for t, (s, e) in enumerate(zip(seen, expected, strict=True))
    )


def allowances(
    case: UpdateCase, expected: Sequence[Weights], rerun: Rerun, extra: float, rough: float
) -> list[list[float]]:
    """Return what two correct computations may differ by, for every step and tensor.

    A rule that does not answer to ulps of a tensor's gradients (see `_deaf`) rounds them itself, to bfloat16 at worst:
    then that tensor's changes are as large as that rounding, and it is a share of what a step is made of, which a decay
    by the rate may undo.
    """
    rng, every = np.random.default_rng(0), range(len(case.tensors))
    fine = [rerun(_shaken(case, rng)) for _ in range(decisions.PERTURBATIONS)]
    deaf = _deaf(case, rerun, rng)
    coarse = [rerun(_coarse(case, rng)) for _ in range(decisions.PERTURBATIONS if deaf else 0)]
    moved = [fine + coarse if i in deaf else fine for i in every]
    shares = [max(extra, rough) if i in deaf else extra for i in every]
    undone = [max(case.plan.rates or (0.0,)) if i in deaf else 0.0 for i in every]
    return [[_allowed(t, i, expected, moved[i], shares[i], undone[i]) for i in every] for t in range(len(expected))]


def _allowed(
    t: int, i: int, expected: Sequence[Weights], moved: Sequence[Sequence[Weights]], extra: float, undone: float
) -> float:
    w, steps = expected[t][i], [np.abs(b[i] - a[i]) for a, b in pairwise(expected[: t + 1])]
    with np.errstate(all="ignore"):
        change = max(float(np.nan_to_num(np.abs(m[t][i] - w)).max(initial=0)) for m in moved)
    ulps = decisions.ULP * float(np.finfo(w.dtype).eps) / 2
    far = float(np.sum(steps, axis=0).max(initial=0)) if steps else 0.0
    size = float(np.abs(w).max(initial=0))
    rounded = (t + 1) * ulps * (size + decisions.RULE_ROUNDING * far)
    return decisions.FLOORS_IN_MAXIMUM_NORM * change + rounded + extra * (far + undone * size)


def _shaken(case: UpdateCase, rng: np.random.Generator) -> UpdateCase:
    gradients = each_gradient(case, lambda g: perturbed([g], rng)[0])
    plan = replace(case.plan, rates=_shaken_rates(case, rng))
    return replace(case, tensors=tuple(perturbed(case.tensors, rng)), gradients=gradients, plan=plan)


def _shaken_rates(case: UpdateCase, rng: np.random.Generator) -> tuple[float, ...] | None:
    """A weight that a step brings to nothing, whatever it is, comes there by its rate alone: rules of norms stop."""
    if case.plan.rates is None:
        return None
    finest = min(float(np.finfo(w.dtype).eps) for w in case.tensors)
    signs = rng.integers(0, 2, len(case.plan.rates)) * 2 - 1
    return tuple(float(rate * (1 + sign * finest)) for rate, sign in zip(case.plan.rates, signs, strict=True))


def _deaf(case: UpdateCase, rerun: Rerun, rng: np.random.Generator) -> set[int]:
    """Return the tensors whose last weights answer to no ulp of the gradients.

    Small fractions lie on the ties of bfloat16, where an ulp decides how they are rounded: near them it does not.
    """
    far = decisions.BFLOAT16_ULP / 4
    near = each_gradient(case, lambda g: array(g * (1 + rng.uniform(-1, 1, g.shape) * far), like=g))
    beside = replace(case, gradients=near)
    stays, *moved = (rerun(given)[-1] for given in (beside, _nudged(beside, rng), _nudged(beside, rng)))
    return {i for i in range(len(case.tensors)) if not any(differ([m[i]], [stays[i]]) for m in moved)}


def _nudged(case: UpdateCase, rng: np.random.Generator) -> UpdateCase:
    """Move gradients by an ulp; those of 0 stay, for their ulps are so small that bfloat16 has them too."""
    return replace(case, gradients=each_gradient(case, lambda g: _scaled(g, float(np.finfo(g.dtype).eps), rng)))


def _coarse(case: UpdateCase, rng: np.random.Generator) -> UpdateCase:
    return replace(case, gradients=each_gradient(case, lambda g: _scaled(g, decisions.BFLOAT16_ULP, rng)))


def _scaled(g: Array, ulp: float, rng: np.random.Generator) -> Array:
    """Move every entry up or down by a share of itself."""
    return array(g * (1 + (rng.integers(0, 2, g.shape) * 2 - 1) * ulp), like=g)
