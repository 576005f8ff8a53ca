"""How the chapters step and optimizer run a subject: in training loops, fed with gradients, or one optimizer per block.

Each function returns the weights before and after every step, so a run of n steps gives n + 1 lists of tensors. `train`
feeds the gradient at the subject's own weights (`oracle`); `feed` feeds the gradients that the case holds.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gdprops.errors import Uncertified
from gdprops.model.case import Plan, UpdateCase
from gdprops.model.evidence import Evidence
from gdprops.model.network import Point
from gdprops.model.subject import Delivery
from gdprops.numerics import decisions
from gdprops.numerics.certificate import is_exact_update, loss_bound, update_allowance
from gdprops.numerics.comparison import compare, has_finite_norm
from gdprops.numerics.network_pass import gradient_at, loss_at

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.case import TrainCase
    from gdprops.model.subject import FedSubject, Gradients, Run

Weights = list["Array"]


def names_of(case: UpdateCase) -> list[str]:
    """Return the tensors' names: w1, w2 and so on."""
    return [f"w{i + 1}" for i in range(len(case.tensors))]


def oracle(case: TrainCase, weights: Sequence[Array], t: int) -> list[Array | None]:
    """Return the gradients of batch t at some weights, in the case's dtype; None for frozen and unused tensors."""
    found = gradient_at(Point(case.network, tuple(weights), case.batches[t]))
    pairs = zip(found, weights, strict=True)
    return [None if g is None else np.asarray(g, dtype=w.dtype).reshape(w.shape) for g, w in pairs]


def loss_of(case: TrainCase, weights: Sequence[Array], t: int = 0) -> float:
    """Return J of batch t at some weights."""
    return float(loss_at(Point(case.network, tuple(weights), case.batches[t])))


def train(subject: FedSubject, case: TrainCase) -> tuple[list[Weights], list[Gradients]]:
    """Feed a subject the gradient at its own weights, batch after batch.

    Returns the weights before and after every step, and the gradients that the subject was fed. The loop ends before a
    gradient whose squares overflow, because no dtype could hold the second moments of such a diverged training.
    """
    run = subject.start(case.tensors, case.plan)
    seen, fed = [run.weights()], list["Gradients"]()
    for t in range(len(case.batches)):
        gradients = oracle(case, seen[-1], t)
        if not has_finite_norm(gradients):
            break
        run.step(gradients)
        seen.append(run.weights())
        fed.append(gradients)
    return seen, fed


def feed(
    subject: FedSubject,
    case: UpdateCase,
    plan: Plan | None = None,
    *,
    gradients: Sequence[Gradients] | None = None,
    delivery: Delivery = Delivery.ASSIGNED,
) -> list[Weights]:
    """Return the weights before and after every step when a subject is fed the gradients of a case."""
    run = subject.start(case.tensors, plan or case.plan)
    return feed_on(run, case.gradients if gradients is None else gradients, delivery)


def feed_on(run: Run, gradients: Sequence[Gradients], delivery: Delivery = Delivery.ASSIGNED) -> list[Weights]:
    """Feed a run further gradients; return the weights before and after every step."""
    seen = [run.weights()]
    for step in gradients:
        run.step(step, delivery)
        seen.append(run.weights())
    return seen


def feed_alone(
    subject: FedSubject,
    tensor: Array,
    gradients: Sequence[Array | None],
    plan: Plan,
    index: int,
    *,
    flattened: bool = False,
) -> list[Array]:
    """Return one tensor's weights before and after every step when the subject is given that tensor alone."""
    shape = (-1,) if flattened else tensor.shape
    run = subject.start([tensor.reshape(shape)], alone(plan, index))
    fed = [[None if g is None else g.reshape(shape)] for g in gradients]
    return [w.reshape(tensor.shape) for (w,) in feed_on(run, fed)]


def alone(plan: Plan, index: int) -> Plan:
    """Return the plan for an optimizer over one tensor: the rate of its group, and all other hyperparameters."""
    group = next(k for k, members in enumerate(plan.groups) if index in members)
    rates = None if plan.rates is None else (plan.rates[group],)
    return Plan(((0,),), rates, plan.options)


def feed_blocks(subject: FedSubject, case: UpdateCase, blocks: Sequence[Sequence[int]]) -> list[Weights]:
    """Return the weights before and after every step when one optimizer per block applies the frozen gradients.

    All optimizers exist at the same time and take turns at every step.
    """
    runs = [subject.start([case.tensors[i] for i in block], _block_plan(case.plan, block)) for block in blocks]
    seen = [_gathered(case, blocks, runs)]
    for step in case.gradients:
        for block, run in zip(blocks, runs, strict=True):
            run.step([step[i] for i in block])
        seen.append(_gathered(case, blocks, runs))
    return seen


def _block_plan(plan: Plan, block: Sequence[int]) -> Plan:
    parts = [
        (tuple(k for k, i in enumerate(block) if i in group), None if plan.rates is None else plan.rates[g])
        for g, group in enumerate(plan.groups)
    ]
    kept = [(group, rate) for group, rate in parts if group]
    rates = None if plan.rates is None else tuple(rate for _, rate in kept if rate is not None)
    return Plan(tuple(group for group, _ in kept), rates, plan.options)


def _gathered(case: UpdateCase, blocks: Sequence[Sequence[int]], runs: Sequence[Run]) -> Weights:
    whole = list(case.tensors)
    for block, run in zip(blocks, runs, strict=True):
        for i, w in zip(block, run.weights(), strict=True):
            whole[i] = w
    return whole


def effective_rates(subject: FedSubject, plan: Plan, run: Run) -> list[float]:
    """Return each tensor's learning rate: as it was asked for, or rounded to float32 where the subject stores it so."""
    asked = dict[int, float | None]()
    for g, group in enumerate(plan.groups):
        asked.update(dict.fromkeys(group, subject.own_rate if plan.rates is None else plan.rates[g]))
    return [_effective(asked.get(i), shown) for i, shown in enumerate(run.rates())]


def _effective(asked: float | None, shown: float | None) -> float:
    if asked is None or shown is None:
        return float(shown if asked is None and shown is not None else asked or 0.0)
    stored = abs(shown - asked) <= decisions.STORED_RATE * abs(asked)
    return shown if stored else asked


def plain_evidence(
    before: Sequence[Array],
    after: Sequence[Array],
    gradients: Gradients,
    rates: Sequence[float],
    *,
    names: Sequence[str],
    precision: int,
    step: int,
    rivals: Sequence[Gradients] = (),
) -> Evidence:
    """Compare one step with w - eta g, with == where this is exact in the case's precision.

    The rivals are: staying at w, going half the way, and stepping with each of the wrong gradients ``rivals``.
    """
    expected = [_descended(w, g, eta) for w, g, eta in zip(before, gradients, rates, strict=True)]
    allowed = [_allowance(w, g, eta, precision) for w, g, eta in zip(before, gradients, rates, strict=True)]
    wrong = [[_descended(w, g, eta) for w, g, eta in zip(before, r, rates, strict=True)] for r in rivals]
    halves = [(np.asarray(w, dtype=float) + e) / 2 for w, e in zip(before, expected, strict=True)]
    return compare(
        after,
        expected,
        names=names,
        allowed=allowed,
        start=before,
        rivals=[before, halves, *wrong],
        step=step,
    )


def _descended(w: Array, g: Array | None, eta: float) -> Array:
    """Return w - eta g in float64; a correct float32 step differs from it by the rounding of float32 alone."""
    wide = np.asarray(w, dtype=np.float64)
    return wide if g is None else np.asarray(wide - eta * np.asarray(g, dtype=np.float64))


def _allowance(w: Array, g: Array | None, eta: float, precision: int) -> Any:
    if g is None or is_exact_update(w, g, eta, precision):
        return 0.0
    return update_allowance(w, eta * g, precision)


def armijo_rate(
    case: TrainCase, weights: Sequence[Array], direction: Sequence[Any], slope: float, most: float = 1.0
) -> float | None:
    """Return the largest s = most · 2^-k that satisfies Armijo's condition along the direction d.

    The condition is J(w + s d) <= J(w) + ½ s <g, d>, and J must fall by at least four of its roundings. ``slope`` is
    <g, d>. None if the slope is not negative, or if there is no such s.
    """
    if not slope < 0:
        return None
    start, noise = loss_of(case, weights), _loss_noise(case, weights)
    s = most
    for _ in range(decisions.DESCENT_HALVINGS):
        with np.errstate(all="ignore"):
            moved = loss_of(case, [w + s * d for w, d in zip(weights, direction, strict=True)])
        if moved <= start + decisions.ARMIJO * s * slope and start - moved >= noise:
            return s
        s /= 2
    return None


def _loss_noise(case: TrainCase, weights: Sequence[Array]) -> float:
    """Return the smallest fall of J that counts: four of its roundings; infinite if a kink is within rounding."""
    try:
        bound = loss_bound(Point(case.network, tuple(weights), case.batches[0]), case.precision)
    except Uncertified:
        return float("inf")
    return decisions.DESCENT_ROUNDING * bound


def training_rate(case: TrainCase) -> float | None:
    """Return a rate at which gdprops' own plain descent satisfies Armijo's condition at every step, or None."""
    rate: float | None = 1.0
    weights, taken = list(case.tensors), 0
    while rate is not None and taken < len(case.batches):
        g = [w * 0 if x is None else x for w, x in zip(weights, oracle(case, weights, taken), strict=True)]
        found = armijo_rate(case, weights, [-x for x in g], -sum(float((x * x).sum()) for x in g), rate)
        if found == rate:
            weights, taken = [w - rate * x for w, x in zip(weights, g, strict=True)], taken + 1
        else:
            rate, weights, taken = found, list(case.tensors), 0
    return rate


def losses_along(case: TrainCase, seen: Sequence[Weights]) -> list[float]:
    """Return J of the first batch at the weights before and after every step."""
    return [loss_of(case, weights) for weights in seen]


def dirty_memory(case: UpdateCase) -> None:
    """Fill freed memory of the tensors' sizes with NaN, so that state which was never initialized shows."""
    torch = sys.modules.get("torch")
    for w in case.tensors:
        if torch is not None:
            torch.full(w.shape, float("nan"), dtype=torch.float64)
