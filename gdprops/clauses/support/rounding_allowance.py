"""How far two correct computations of one rule may differ by rounding, and a comparison of two runs that allows it.

A rule may be computed in another order (foreach, another memory layout, batches) and then rounds differently; later
steps magnify the difference. Where a few ulps do not account for it the allowance is measured: the rule runs again on
weights, gradients and rates that are moved by one ulp, and four times the largest change is allowed as well.
"""

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
"""A function that returns the weights before and after every step of a case, computed in the way taken as right."""


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

    Runs with equal bits agree. Otherwise a few ulps of the weights and of the way that they have gone so far are
    allowed, and the share ``extra`` of this way. Where that is not enough the allowance is measured with ``rerun``, for
    each tensor and step: four times the largest change that one ulp in weights, gradients and rates makes is added.
    ``rough`` replaces ``extra`` for tensors whose gradients the rule itself rounds to a lower precision.
    """
    names = names or [f"w{i + 1}" for i in range(len(case.tensors))]
    if not any(differ(s, e) for s, e in zip(seen, expected, strict=True)):
        return Evidence()

    def compared(allowed: Sequence[Sequence[float]]) -> Evidence:
        return combine(
            compare(s, e, names=names, allowed=allowed[t], start=expected[max(t - 1, 0)], step=first + t, what=what)
            for t, (s, e) in enumerate(zip(seen, expected, strict=True))
        )

    least = compared(_unmeasured(case, expected, extra))
    return compared(allowances(case, expected, rerun, extra, rough)) if least.violated else least


def _unmeasured(case: UpdateCase, expected: Sequence[Weights], extra: float) -> list[list[float]]:
    """Return the part of the allowance that needs no further run: no measured one is smaller."""
    every = range(len(case.tensors))
    return [[_allowed(t, i, expected, (), extra, 0.0) for i in every] for t in range(len(expected))]


def allowances(
    case: UpdateCase, expected: Sequence[Weights], rerun: Rerun, extra: float, rough: float
) -> list[list[float]]:
    """Return how far two correct computations may differ, for every step and tensor.

    If moving a tensor's gradients by one ulp changes nothing (`_insensitive`), the rule itself rounds the gradients, to
    bfloat16 at worst. For such a tensor the gradients are also moved by one ulp of bfloat16, and a share of the way is
    allowed; a share of the weights times the rate is added, because a decay may have undone part of the way.
    """
    rng, every = np.random.default_rng(0), range(len(case.tensors))
    fine = [rerun(_shaken(case, rng)) for _ in range(decisions.PERTURBATIONS)]
    insensitive = _insensitive(case, rerun, rng)
    coarse = [rerun(_coarse(case, rng)) for _ in range(decisions.PERTURBATIONS if insensitive else 0)]
    moved = [fine + coarse if i in insensitive else fine for i in every]
    shares = [max(extra, rough) if i in insensitive else extra for i in every]
    undone = [max(case.plan.rates or (0.0,)) if i in insensitive else 0.0 for i in every]
    return [[_allowed(t, i, expected, moved[i], shares[i], undone[i]) for i in every] for t in range(len(expected))]


def _allowed(
    t: int, i: int, expected: Sequence[Weights], moved: Sequence[Sequence[Weights]], extra: float, undone: float
) -> float:
    w, steps = expected[t][i], [np.abs(b[i] - a[i]) for a, b in pairwise(expected[: t + 1])]
    with np.errstate(all="ignore"):
        change = max((float(np.nan_to_num(np.abs(m[t][i] - w)).max(initial=0)) for m in moved), default=0.0)
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
    """Return the learning rates, each moved by one ulp up or down.

    A rule that works with norms may bring a weight to 0 whatever the weight is; only the rate then changes where it
    ends.
    """
    if case.plan.rates is None:
        return None
    finest = min(float(np.finfo(w.dtype).eps) for w in case.tensors)
    signs = rng.integers(0, 2, len(case.plan.rates)) * 2 - 1
    return tuple(float(rate * (1 + sign * finest)) for rate, sign in zip(case.plan.rates, signs, strict=True))


def _insensitive(case: UpdateCase, rerun: Rerun, rng: np.random.Generator) -> set[int]:
    """Return the tensors whose last weights do not change when their gradients move by one ulp.

    The gradients are first moved by a random fraction of a bfloat16 ulp. Small fractions lie exactly between two
    bfloat16 numbers, where one ulp decides how they are rounded; after the move it does not.
    """
    far = decisions.BFLOAT16_ULP / 4
    near = each_gradient(case, lambda g: array(g * (1 + rng.uniform(-1, 1, g.shape) * far), like=g))
    beside = replace(case, gradients=near)
    stays, *moved = (rerun(given)[-1] for given in (beside, _nudged(beside, rng), _nudged(beside, rng)))
    return {i for i in range(len(case.tensors)) if not any(differ([m[i]], [stays[i]]) for m in moved)}


def _nudged(case: UpdateCase, rng: np.random.Generator) -> UpdateCase:
    """Move every gradient by one ulp of itself; zeros stay zero, because bfloat16 too represents their tiny ulp."""
    return replace(case, gradients=each_gradient(case, lambda g: _scaled(g, float(np.finfo(g.dtype).eps), rng)))


def _coarse(case: UpdateCase, rng: np.random.Generator) -> UpdateCase:
    return replace(case, gradients=each_gradient(case, lambda g: _scaled(g, decisions.BFLOAT16_ULP, rng)))


def _scaled(g: Array, ulp: float, rng: np.random.Generator) -> Array:
    """Move every entry up or down, at random, by this share of itself."""
    return array(g * (1 + (rng.integers(0, 2, g.shape) * 2 - 1) * ulp), like=g)
