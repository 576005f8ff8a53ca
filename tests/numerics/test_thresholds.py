"""Every threshold of `numerics.decisions` has a pair of situations, just inside and just outside of it.

Each function under PAIRS builds its two situations in view and returns what the engine says of both; the numbers in
them do not follow the threshold. So (True, False) comes out at the threshold as it is, and something else at ten times
and at a tenth of it. What is no threshold stands in REASONS; a new constant must be put into one of the two.
"""

from __future__ import annotations

import ast
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import gdprops
from gdprops.clauses import catalogue
from gdprops.clauses.clock import average
from gdprops.clauses.implementations import backprop as backprop_clauses
from gdprops.clauses.support.fed_subjects import but_for_rounding
from gdprops.clauses.support.noise_floor import noise_floors
from gdprops.clauses.support.optimizer_runs import armijo_rate, effective_rates, plain_evidence
from gdprops.clauses.support.rounding_allowance import rounded_alike
from gdprops.clauses.support.tensor_variants import far_apart
from gdprops.clauses.support.watched_step import Watched
from gdprops.errors import Uncertified, UsageError
from gdprops.explanations.backprop import accounts
from gdprops.explanations.backprop.recognized_network import recognized
from gdprops.explanations.training_step import gradient_regression
from gdprops.explanations.training_step.explanation_wording import fraction
from gdprops.faults.optimizers.correct_optimizers import Group, PlainDescent
from gdprops.model.backprop_layout import Layout
from gdprops.model.case import BackpropCase, LookCase, Plan, Regime, TrainCase, UpdateCase
from gdprops.model.evidence import Evidence, violation
from gdprops.model.item import Item
from gdprops.model.network import Batch, Layer, Network, Point
from gdprops.model.verdict import About, Status
from gdprops.numerics import decisions
from gdprops.numerics.certificate import gradient_bounds, loss_bound
from gdprops.numerics.comparison import compare
from gdprops.numerics.differences import richardson, roughness
from gdprops.numerics.flat import flat_gradient, flat_weights
from gdprops.numerics.granularity import Granular
from gdprops.numerics.network_pass import gradient, gradient_at
from gdprops.numerics.numpy_system import NumpySystem
from gdprops.numerics.published.dialect_feed import Story, differ_in_principle, reproduces
from gdprops.numerics.published.rule import Dialect, Published
from gdprops.numerics.published.rule_run import Bounded
from gdprops.numerics.rate_sequences import agree
from gdprops.numerics.running_bound import Rounded
from gdprops.numerics.second_order_law import curvature, law_on_a_ladder, lower_hessian_times_gradient
from gdprops.runner.items import examiner
from gdprops.runner.search import Finding
from gdprops.runner.settings import Settings
from gdprops.runner.verdicts import judge
from gdprops.subjects.backprop.as_written.best_reading import is_near
from gdprops.subjects.backprop.checked_form import Compared
from gdprops.subjects.backprop.guards import _constant
from gdprops.subjects.probe.computing_precision import is_lost
from gdprops.subjects.probe.experiment import Probe
from gdprops.subjects.probe.plain_descent import plainness
from gdprops.subjects.training_step.clipping import clips_itself
from gdprops.watching.contents import is_multiple, nearly_same
from gdprops.watching.loss_graph import bare_leaves
from gdprops.watching.movement import lost_in_rounding
from tests.clauses.live.ledgers import falling, said
from tests.clauses.optimizer.optimizer_cases import CASE, examined, probed
from tests.samples.diverging_loops import steps_taken

Pair = tuple[bool, bool]
"""What is said of the situation inside, and of the one outside."""

UNIT = 2.0**-53
ONE = np.ones(1)


def linear(activation: str = "identity", *, weight: float = 1.0, target: float = 0.0) -> Point:
    """Return one weight, w = 1 unless said otherwise, on the input 1: J = (f(w) - y)² / 2."""
    network = Network(((Layer(0, None, activation),),), ("w",), (True,), "half-sse")
    return Point(network, (np.array([[weight]]),), Batch(np.ones((1, 1)), np.array([[target]])))


# What is decisive


def _reported(examples: int, decisive: int) -> bool:
    """Say whether eps, which acted in no example, is reported."""
    finding = Finding(examples=examples, decisive=decisive, heard=decisive, silent=frozenset({"eps"}), last=1)
    finding.conclude()
    return finding.evidence is not None


def whole_run_decisive() -> Pair:
    """Ten decisive examples of twelve, and nine."""
    return _reported(12, 10), _reported(12, 9)


def whole_run_share() -> Pair:
    """Half of a hundred examples, and one less."""
    return _reported(100, 50), _reported(100, 49)


def _held(examples: int, decisive: int) -> bool:
    item = Item(catalogue()["step.once"], About.SUBJECT)
    return judge(item, None, Finding(examples=examples, decisive=decisive), Settings()).status is Status.HELD


def fewest_decisive() -> Pair:
    """Five decisive examples of twelve, and four."""
    return _held(12, 5), _held(12, 4)


def decisive_share() -> Pair:
    """A quarter of a hundred examples, and one less."""
    return _held(100, 25), _held(100, 24)


def rival_share() -> Pair:
    """A rival 2.2 from what is expected where 1 is allowed, and one 1.8 from it."""
    return tuple(compare([ONE], [ONE], names=["w"], allowed=1.0, rivals=[[ONE + far]]).decisive for far in (2.2, 1.8))  # type: ignore[return-value] # of two


# Exact certificates and running bounds


def magnitude_slack() -> Pair:
    """Integers below 2^53 by 2^14, and by 2^12: closer than the rounding of a magnitude may hide."""

    def certified(bound: float) -> bool:
        try:
            Granular(np.array([1.0]), np.array([bound]), 0, 53)
        except Uncertified:
            return False
        return True

    return certified(2.0**53 - 2.0**14), certified(2.0**53 - 2.0**12)


def two_computations() -> Pair:
    """Two gradients, each off by 0.95 of the running bound in its own direction, and by 1.05 of it."""
    point = linear(weight=1 / 3)
    (bounded,) = gradient(point.network, [Rounded.of(w, 53) for w in point.tensors], point.batch)
    right, own = np.array([[1 / 3]]), UNIT * bounded.error

    def explained(share: float) -> bool:
        off = right + 2 * share * own
        return not compare([off], [right], names=["w"], allowed=gradient_bounds(point, 53)).violated

    return explained(0.95), explained(1.05)


def elementary() -> Pair:
    """Two libraries whose tanh are off by 7.9 units in opposite directions, and by 14; the residual is 0 but for that.

    The gradient is (h - y)(1 - h²) with y = h = tanh(2). Its other operations may be off by 5.3 such units.
    """
    h = np.tanh(2.0)
    point = linear("tanh", weight=2.0, target=float(h))
    allowed = gradient_bounds(point, 53)

    def explained(units: float) -> bool:
        off = np.array([[2 * units * UNIT * h * (1 - h * h)]])
        return not compare([off], [off * 0], names=["w"], allowed=allowed).violated

    return explained(7.9), explained(14)


def _plain(w: float, g: float, off: float) -> bool:
    """Say whether a step with the rate 0.1 that is off by a number counts as w - eta g."""
    weights, gradients = [np.array([w])], [np.array([g])]
    after = [weights[0] - 0.1 * gradients[0] + off]
    return not plain_evidence(weights, after, gradients, [0.1], names=["w"], precision=53, step=1).violated


def ulp() -> Pair:
    """A weight of 1 that moves by next to nothing: off by one ulp of it, and by two."""
    return _plain(1.0, 2.0**-40 / 3, np.spacing(1.0)), _plain(1.0, 2.0**-40 / 3, 2 * np.spacing(1.0))


def displacement_ulps() -> Pair:
    """A weight of 0: off by two ulps of the displacement, each 1.9 units of it, and by three."""
    step = np.spacing(0.1 / 3)
    return _plain(0.0, 1 / 3, 2 * step), _plain(0.0, 1 / 3, 3 * step)


# Rounding of rules and steps


class Resting(torch.optim.SGD):
    """Moves nothing."""

    def step(self, closure: Any = None) -> Any:
        return None


def undecided_move() -> Pair:
    """An optimizer at rest where it should move by three ulps of a weight of 1, and by five."""
    subject = gdprops.optimizer(Resting, rule="sgd", name="resting", lr=1.0)

    def passes(ulps: float) -> bool:
        g = ulps * np.spacing(1.0) * ONE
        case = UpdateCase((ONE,), ((g,),), Plan(((0,),), (1.0,)), 53)
        return not catalogue()["step.moves-all"].examine(subject, case).violated

    return passes(3), passes(5)


def _alike(start: float, end: float, off: float, *, change: float = 0.0) -> bool:
    """Compare a step with one that is off; run again on other numbers, the right step ends at another place."""
    case = UpdateCase((np.array([start]),), ((ONE,),), Plan(((0,),)), 53)
    expected, again = ([[np.array([start])], [np.array([end + by])]] for by in (0.0, change))
    seen = [[np.array([start])], [np.array([end + off])]]
    return not rounded_alike(case, seen, expected, lambda given: again, "").violated


def rule_rounding() -> Pair:
    """A step from 1 to nearly 0: off by 24 ulps of the way, and by 48, where twice sixteen are allowed."""
    tiny = 2.0**-30
    return _alike(1.0, tiny, 24 * 2 * UNIT), _alike(1.0, tiny, 48 * 2 * UNIT)


def floors_in_maximum_norm() -> Pair:
    """A rule that one ulp moves by a millionth: off by 3.5 millionths, and by 4.5."""
    return _alike(0.0, 1.0, 3.5e-6, change=1e-6), _alike(0.0, 1.0, 4.5e-6, change=1e-6)


class Steady:
    """An update whose displacement no ulp changes."""

    def gradients(self, weights: Any, t: int, *, shaken: bool) -> list[Any]:
        return [np.zeros(1)]

    def passing_update(self, weights: Any, gradients: Any, state: Any, settings: Any) -> list[Any]:
        return list(weights)

    def dialect(self, *given: Any) -> None:
        """There is one only."""


def _within_floors(off: float, g: float = 0.0) -> bool:
    after = [ONE + off]
    (room,) = noise_floors(Steady(), 0, [ONE], after, [ONE], [g * ONE], None, None)  # type: ignore[arg-type] # all that is asked of a run
    return bool(abs(after[0] - ONE) <= room)


def floors_per_tensor() -> Pair:
    """A weight of 1 that is off by 15 ulps, and by 17."""
    return _within_floors(15 * np.spacing(1.0)), _within_floors(17 * np.spacing(1.0))


def gradient_share() -> Pair:
    """A gradient of 10000, whose tenth has ulps of 2^-43: off by 15 of them, and by 17."""
    return _within_floors(15 * 2.0**-43, 1e4), _within_floors(17 * 2.0**-43, 1e4)


def _watched(after: float, expected: float = 1.0, *, before: float = 0.0, allowed: float = 0.0) -> Watched:
    """Return a step of one weight; what no test asks of it is None."""
    known: dict[str, Any] = {
        "names": ("w",),
        "before": [np.array([before])],
        "after": [np.array([after])],
        "expected": [np.array([expected])],
        "allowed": [np.array([allowed])],
    }
    given: dict[str, Any] = {field.name: known.get(field.name) for field in fields(Watched)}
    return Watched(**given)


def reproduced_share() -> Pair:
    """A step of length 1 that ends 0.9e-9 from where a hypothesis says, and 1.1e-9 from there."""
    there = [ONE]
    return _watched(1 + 0.9e-9).is_at(there), _watched(1 + 1.1e-9).is_at(there)


def shaken_floors() -> Pair:
    """A published rule, off by 3.5 times what shaking its operations changes, and by 4.5 times that."""
    step = _descent()
    w, g, settings = np.array([0.7]), np.array([1 / 3]), [{"lr": 0.1}]
    expected, allowed = Bounded(step, 1).step([w], [g], settings)
    change = allowed[0] / decisions.SHAKEN_FLOORS

    def is_it(times: float) -> bool:
        return reproduces(Dialect("", step, ""), Story([[w], [expected[0] + times * change]], [[g]], [settings]))

    return is_it(3.5), is_it(4.5)


def _descent(factor: float = 1.0) -> Any:
    def step(w: Any, g: Any, s: Any, *, lr: float) -> Any:
        return w - lr * factor * g

    return step


def principle() -> Pair:
    """Two forms of a rule whose steps differ by 1.8e-9 of a step, and by 2.2e-9: clear is twice the threshold."""
    rule = Published("invented", _descent())

    def are_one(share: float) -> bool:
        return not differ_in_principle(rule, "", Dialect("other", _descent(1 + share), "is longer"), {"lr": 0.1})

    return are_one(1.8e-9), are_one(2.2e-9)


class Factored(PlainDescent):
    """Its foreach path goes a share further."""

    share = 0.0

    def __init__(self, params: Any, lr: float = 0.5, foreach: bool = False) -> None:
        super().__init__(params, lr, foreach=foreach)

    def move(self, p: Tensor, g: Tensor, group: Group) -> None:
        p.sub_(group["lr"] * g * (1 + self.share * group["foreach"]))


class Coupled(Factored):
    """Divides by the norm of all gradients too."""

    def move(self, p: Tensor, g: Tensor, group: Group) -> None:
        squares = [(q.grad * q.grad).sum() for held in self.param_groups for q in held["params"] if q.grad is not None]
        super().move(p, g / (1 + sum(squares, torch.zeros(())).sqrt()), group)


def _one_rule(factory: type[Factored], share: float, case: UpdateCase) -> bool:
    other: Any = type(factory.__name__, (factory,), {"share": share})
    return not examined(
        probed(gdprops.optimizer(other, name=f"off by {share}", lr=0.5)), "implementations", case
    ).violated


def single_scalars() -> Pair:
    """float32 tensors whose foreach path goes further by 0.9e-3, and by 1.1e-3; the threshold is 2^-10."""
    w, g = np.array([0.5, 1.5], np.float32), np.array([1.0, 0.75], np.float32)
    case = UpdateCase((w,), ((g,),), Plan(((0,),), (0.5,)), 24, (0,))
    return _one_rule(Factored, 0.9e-3, case), _one_rule(Factored, 1.1e-3, case)


def single_tolerance() -> Pair:
    """A rule over all parameters whose foreach path goes further by 0.9e-4, and by 1.1e-4."""
    case = replace(CASE, gradients=CASE.gradients[:1])
    return _one_rule(Coupled, 0.9e-4, case), _one_rule(Coupled, 1.1e-4, case)


def bfloat16_ulp() -> Pair:
    """A rule that rounds its gradients to bfloat16, whose ulp below 1 is 2^-8: off by three of them, and by five."""

    def rule(case: UpdateCase) -> list[list[Any]]:
        ((g,),) = case.gradients
        return [[np.zeros(1)], [-torch.tensor(g).bfloat16().double().numpy()]]

    case = UpdateCase((np.zeros(1),), ((ONE,),), Plan(((0,),)), 53)
    right = rule(case)

    def passes(ulps: float) -> bool:
        return not rounded_alike(case, [right[0], [right[1][0] + ulps * 2.0**-8]], right, rule, "").violated

    return passes(3), passes(5)


def bfloat16_share() -> Pair:
    """A rule on whole tensors that no ulp of its gradients changes: off by 0.9 of 2^-7 of its way, and by 1.1."""
    subject: Any = SimpleNamespace(traits={"separability": "tensor"})
    case = UpdateCase((np.zeros(1),), ((ONE,),), Plan(((0,),)), 53)
    right = [[np.zeros(1)], [ONE]]

    def passes(share: float) -> bool:
        seen = [right[0], [ONE + share * 2.0**-7]]
        return not but_for_rounding(violation("bytes differ"), subject, case, seen, right, lambda given: right).violated

    return passes(0.9), passes(1.1)


def stored_rate() -> Pair:
    """A rate that is shown 0.9 ulps of float32 beside the one that was asked for, and 1.1 ulps."""

    def is_the_stored_one(ulps: float) -> bool:
        shown = 0.1 * (1 + ulps * 2.0**-23)
        run: Any = SimpleNamespace(rates=lambda: [shown])
        subject: Any = SimpleNamespace(own_rate=None)
        return effective_rates(subject, Plan(((0,),), (0.1,)), run) == [shown]

    return is_the_stored_one(0.9), is_the_stored_one(1.1)


def clock_share() -> Pair:
    """A rate 0.9e-12 of the schedule's peak beside the schedule's, and 1.1e-12."""
    peak, planned = 0.5, 0.125

    def agrees(off: float) -> bool:
        return agree((planned + off * peak,), (planned,), peak)

    return agrees(0.9e-12), agrees(1.1e-12)


def far_ulps() -> Pair:
    """A weight 1000 ulps from its start, and 1050; 1024 are a way that should have been gone."""
    step = np.spacing(1.0)
    return not far_apart(ONE + 1000 * step, ONE), not far_apart(ONE + 1050 * step, ONE)


class Shrinking(PlainDescent):
    """Takes the same share of every weight at every step, whatever the gradient."""

    share = 0.0

    def move(self, p: Tensor, g: Tensor, group: Group) -> None:
        p.mul_(1 - self.share)


def default_distance() -> Pair:
    """A first step of 1/110 of the weights, and of 1/90: the second is too long for ten steps to decide."""

    def decides(share: float) -> bool:
        factory: Any = type("Shrinking", (Shrinking,), {"share": share})
        subject = gdprops.optimizer(factory, name="shrinking", lr=0.1)
        case = UpdateCase((ONE,), ((ONE,),), Plan(((0,),)), 53, (0,))
        return bool(catalogue()["optimizer.descends-by-default"].examine(subject, case).decisive)

    return decides(1 / 110), decides(1 / 90)


class LooksAndGrows(PlainDescent):
    """Needs its closure, and leaves the weights a share farther from 0 than they were."""

    share = 0.0

    def step(self, closure: Any = None) -> Any:
        if closure is None:
            raise TypeError("step() needs a closure")
        loss = self.look(closure)
        with torch.no_grad():
            for group in self.param_groups:
                for p in group["params"]:
                    p.mul_(1 + self.share)
        return loss


def bowl_rise() -> Pair:
    """Weights of 1 that end at 1 + 6e-6 have raised ½|w|² by 1.2e-5 of it; at 1 + 9e-6 by 1.8e-5."""

    def comes_back(share: float) -> bool:
        factory: Any = type("LooksAndGrows", (LooksAndGrows,), {"share": share})
        found = probed(gdprops.optimizer(factory, name=f"grows by {share}", lr=0.5))
        case = UpdateCase((ONE,), ((ONE,),), Plan(((0,),), (0.5,)), 53, (0,))
        return not examined(found, "closure", case).violated

    return comes_back(6e-6), comes_back(9e-6)


# The law of divergence


class Remainder(NumpySystem):
    """Adds to the sweep what leaves a remainder of 1 at the rate 2^-60, and of ``near`` · 2^-20 at 2^-80."""

    near = Fraction(0)

    def sweep(self, point: Point, blocks: Any, rate: Any) -> Any:
        left = 1 if rate == Fraction(1, 2**60) else self.near / 2**20
        return super().sweep(point, blocks, rate) + rate**2 * left


def law_remainder() -> Pair:
    """A remainder that shrinks 2^20-fold but for a factor of 1.9, and of 2.1."""
    network = Network(
        ((Layer(0, None, "identity"), Layer(1, None, "identity")),), ("W1", "W2"), (True, True), "half-sse"
    )
    point = Point(network, (np.array([[0.5]]), np.array([[0.25]])), Batch(np.ones((1, 1)), np.ones((1, 1))))
    case = LookCase(point, Regime.EXACT, 53, 0.5, {"layer": ((0,), (1,))}, (0, 1))

    def holds(near: Fraction) -> bool:
        system = Remainder()
        system.near = near
        evidence = catalogue()["sequential.second-order"].examine(system, case)
        assert evidence.decisive
        return not evidence.violated

    return holds(Fraction(19, 10)), holds(Fraction(21, 10))


def _coupled(weak: float = 1.0) -> Point:
    """Return two weights at 0 that couple by ``weak``: H = [[1, weak], [weak, 1 + weak²]], g = (1, 0)."""
    network = Network(((Layer(0, None, "identity"),),), ("w",), (True,), "half-sse")
    X = np.array([[1.0, weak], [0.0, 1.0]])
    return Point(network, (np.zeros((1, 2)),), Batch(X, np.array([[-1.0], [weak]])))


LADDER = (2.0**-6, 2.0**-8, 2.0**-10, 2.0**-12)
CUBIC = (0.064, 0.016)
"""Remainders of the first two rungs, as shares of the quadratic term: their log-log slope is 3."""


def _on_the_ladder(*remainders: float) -> Evidence:
    """Judge a sweep that differs from the step by eta² c (1 + remainder), with a remainder for every rung."""
    point = _coupled()
    w, g = flat_weights(point), flat_gradient(point, gradient_at(point))
    size, c = curvature(point), lower_hessian_times_gradient(point, [(0,), (1,)])

    def look(v: Any) -> Any:
        rate = float(np.abs(v - w).max())  # the first block moves by eta g, and g is 1
        if not rate:
            return g
        rung = min(range(4), key=lambda k: abs(math.log(rate * size / LADDER[k])))
        return g - rate * c * (1 + remainders[rung])

    return law_on_a_ladder(look, point, [(0,), (1,)])


def slope() -> Pair:
    """A last slope of 1.95 or 2.05, and of 1.85 or 2.15; the remainder is cubic."""

    def holds(last: float) -> bool:
        return not _on_the_ladder(*CUBIC, 0.0, 4 ** (2 - last) - 1).violated

    return holds(1.95) and holds(2.05), holds(1.85) or holds(2.15)


def residual_slope() -> Pair:
    """A remainder of slope 2.9, and of 2.7."""

    def holds(steep: float) -> bool:
        return not _on_the_ladder(0.016 * 4 ** (steep - 2), 0.016, 0.0, 0.0).violated

    return holds(2.9), holds(2.7)


def slope_share() -> Pair:
    """A slope of 1.7 that counts where the cubic term is 0.04 of the quadratic one, and not where it is 0.06."""

    def is_judged(share: float) -> bool:
        return _on_the_ladder(*CUBIC, share, (1 + share) * 4**0.3 - 1).violated

    return is_judged(0.04), is_judged(0.06)


def ladder_noise() -> Pair:
    """A remainder of slope 2 that is 0.7 of the gradients' rounding, and 1.4 of it."""
    point = _coupled()
    size, c = curvature(point), float(np.abs(lower_hessian_times_gradient(point, [(0,), (1,)])).max())
    rounding = 2.0**-44 / (LADDER[1] / size * c)  # |w| is 0 and |g| is 1

    def holds(share: float) -> bool:
        return not _on_the_ladder(share * rounding, share * rounding, 0.0, 0.0).violated

    return holds(0.7), holds(1.4)


def law_resolution() -> Pair:
    """Two weights that couple by 1.4e-3 of |H||g|, and by 0.7e-3."""

    def decides(weak: float) -> bool:
        point = _coupled(weak)

        def look(w: Any) -> Any:
            here = point.at([w.reshape(1, 2)])
            return flat_gradient(here, gradient_at(here))

        return law_on_a_ladder(look, point, [(0,), (1,)]).decisive

    return decides(2e-3), decides(1e-3)


# The loss


def _armijo(most: float) -> bool:
    """Say whether J = w²/2 at w = 1 takes this rate along -g at once."""
    point = linear()
    case = TrainCase(point.network, point.tensors, (point.batch,), Plan(((0,),)), 53)
    return armijo_rate(case, point.tensors, [-point.tensors[0]], -1.0, most) == most


def armijo() -> Pair:
    """J falls by s - s²/2: by 0.55 of s at the rate 0.9, and by 0.45 of s at 1.1."""
    return _armijo(0.9), _armijo(1.1)


def descent_rounding() -> Pair:
    """A fall of J by 4.6 of its roundings, and by 3.4."""
    rounding = loss_bound(linear(), 53)
    return _armijo(4.6 * rounding), _armijo(3.4 * rounding)


# Numerical derivatives


def richardson_margin() -> Pair:
    """w^5 at 0, where both estimates are h^4 / 4 and h^4 / 64 off: 0.4 h^4 is explained, and 0.55 h^4 is not."""
    found, h = richardson(lambda w: float(w[0] ** 5), np.zeros(1), 0, noise=0.0), 2.0**-9
    return 0.4 * h**4 <= found.error, 0.55 * h**4 <= found.error


def richardson_rounding() -> Pair:
    """A constant whose evaluations are off by 1: the derivative may be off by 5.5 / h, and not by 6.5 / h."""
    found, h = richardson(lambda w: 0.0, np.zeros(1), 0, noise=1.0), 2.0**-9
    return 5.5 / h <= found.error, 6.5 / h <= found.error


def _kinked(bend: float, noise: float = 0.0) -> bool:
    """Say whether |w| + bend w² / h has a kink at 0."""
    return richardson(lambda w: abs(w[0]) + bend * w[0] ** 2 * 2.0**9, np.zeros(1), 0, noise=noise).kinked


def kink_share() -> Pair:
    """The slopes at h/4 differ by (1 + b/4) / (1 + b) of those at h: by 0.54 at b = 1.6, and by 0.47 at 2.4."""
    return _kinked(1.6), _kinked(2.4)


def kink_rounding() -> Pair:
    """The slopes of |w| differ by 2: evaluations that are off by h / 9.6 leave a kink to be seen, by h / 6.4 none."""
    h = 2.0**-9
    return _kinked(0.0, h / 9.6), _kinked(0.0, h / 6.4)


def rough_margin() -> Pair:
    """A loss rounded to thousandths: its roughness covers half a thousandth, and is not five of them."""
    found = roughness(lambda w: round(3000 * float(w.sum())) / 1000, np.array([0.3, 0.2]))
    return found >= 0.5e-3, found >= 5e-3


# Hand-written backprop

Gradient = Callable[[Any], float]


def _backprop(factor: Gradient, w: float) -> bool:
    """Check gradients of J = |w|² / 2 that are off by a factor; return whether they pass."""

    def loss(params: Any, X: Any, y: Any) -> float:
        return float(((X @ params["W"] - y) ** 2).sum() / 2)

    def gradients(params: Any, X: Any, y: Any) -> Any:
        return {"W": X.T @ (X @ params["W"] - y) * factor(params["W"])}

    form = {"shapes": {"W": (1, 1)}, "inputs": 1, "outputs": 1, "samples": "rows", "targets": "numbers"}
    subject = gdprops.backprop(loss, gradients=gradients, lr=0.5, name="scaled", **form)  # type: ignore[arg-type] # of several types
    case = BackpropCase(("W",), (np.array([[w]]),), (Batch(np.ones((1, 1)), np.zeros((1, 1))),), 0.5)
    return not examiner(Item(catalogue()["gradient.matches-loss"], About.SUBJECT), subject)(case).violated


def guarded_share() -> Pair:
    """A gradient that is off by 0.9e-5 of itself, and by 1.1e-5."""
    return _backprop(lambda w: 1 + 0.9e-5, 0.25), _backprop(lambda w: 1 + 1.1e-5, 0.25)


def most_guard() -> Pair:
    """At a loss of log 50, where p is 1/50, a guard of 1e-6 explains 0.9e-4 of the gradient, and not 1.1e-4.

    Where the weights are small, the gradient is right: as one with a guard is.
    """
    far = math.sqrt(2 * math.log(50))

    def passes(share: float) -> bool:
        return _backprop(lambda w: 1 + share * float(np.abs(w).max() > 1), far)

    return passes(0.9e-4), passes(1.1e-4)


def recognized_share() -> Pair:
    """A loss that is larger than a network's by 0.9e-5 of itself, and by 1.1e-5."""
    batch = Batch(np.array([[1.0, 2.0], [0.5, -1.0]]), np.array([[0.3], [-0.2]]))

    def is_known(share: float) -> bool:
        def loss(weights: Sequence[Any], t: int) -> float:
            return float(((batch.inputs @ weights[0] - batch.targets) ** 2).sum() / 2 * (1 + share))

        case = SimpleNamespace(batches=(batch,))
        run = SimpleNamespace(case=case, loss=loss)
        step: Any = SimpleNamespace(before=[np.array([[0.4], [0.7]])], run=run, batch=0, names=("W",))
        return recognized([step], Layout(lambda n_in, n_hidden, n_out: {"W": (n_in, n_out)})) is not None

    return is_known(0.9e-5), is_known(1.1e-5)


def fewest_fitted() -> Pair:
    """A factor fitted to three entries, and to two."""

    def fits(entries: int) -> bool:
        right = np.arange(1.0, entries + 1)
        step: Any = SimpleNamespace(before=[right * 0], after=[2 * right], expected=[right])
        return accounts._fitted([step], 0) is not None

    return fits(3), fits(2)


def jumpy_share() -> Pair:
    """Derivatives that are uncertain by 0.09 of the largest one, and by 0.11."""

    def says_something(uncertain: float) -> bool:
        return bool(Compared(("W",), [ONE], [ONE], [uncertain * ONE]).near())

    return says_something(0.09), says_something(0.11)


def blurred_share() -> Pair:
    """A displacement of 1 that is uncertain by 0.9e-3, and by 1.1e-3."""

    def is_clear(uncertain: float) -> bool:
        return not backprop_clauses._is_blurred(_watched(1.0, allowed=uncertain))

    return is_clear(0.9e-3), is_clear(1.1e-3)


def most_backprop_weights() -> Pair:
    """A network of 500 weights, and one of 501."""

    def is_taken(weights: int) -> bool:
        def loss(params: Any, X: Any, y: Any) -> float:
            return float((params["W"] ** 2).sum())

        form = {"inputs": 1, "outputs": 1, "samples": "rows", "targets": "numbers"}
        step = lambda params, X, y, lr: None  # noqa: E731 - nothing is asked of it
        try:
            gdprops.backprop(loss, step, shapes={"W": (weights, 1)}, lr=0.5, **form)  # type: ignore[arg-type] # of several types
        except UsageError as error:
            return "give a small network" not in str(error)
        return True

    return is_taken(500), is_taken(501)


# What a training step does instead


def largest_denominator() -> Pair:
    """1/63, and 1/67."""
    return fraction(1 / 63) == Fraction(1, 63), fraction(1 / 67) == Fraction(1, 67)


def simple_share() -> Pair:
    """A number that is off from 1/3 by 0.9e-8 of itself, and by 1.1e-8."""
    return fraction((1 + 0.9e-8) / 3) is not None, fraction((1 + 1.1e-8) / 3) is not None


def _fit(seen: Any, **terms: Any) -> bool:
    found = gradient_regression.fit([np.array(seen)], {name: [np.array(term)] for name, term in terms.items()})
    return found is not None


def regression_residual() -> Pair:
    """Twice the gradient (1, 1, 1, 0), but for 0.9e-9 of the largest entry where the gradient is 0, and for 1.1e-9."""
    g = [1.0, 1.0, 1.0, 0.0]
    return _fit([2.0, 2.0, 2.0, 1.8e-9], g=g), _fit([2.0, 2.0, 2.0, 2.2e-9], g=g)


def regression_rank() -> Pair:
    """Two columns at an angle of 2.4e-8, half of which is the ratio of their singular values, and at 1.6e-8."""

    def are_told_apart(angle: float) -> bool:
        a, b = np.array([1.0, 0, 0, 0]), np.array([1.0, angle, 0, 0])
        return _fit(a + b, a=a, b=b)

    return are_told_apart(2.4e-8), are_told_apart(1.6e-8)


def equations_per_unknown() -> Pair:
    """Two coefficients fitted to four entries, and to three."""
    a, b = np.array([1.0, 2, 3, 4]), np.array([1.0, -1, 1, -1])
    return _fit(a + 2 * b, a=a, b=b), _fit((a + 2 * b)[:3], a=a[:3], b=b[:3])


# The probe


class Off(PlainDescent):
    """Moves by a factor, and by another one at every second step."""

    factors = (1.0, 1.0)

    def move(self, p: Tensor, g: Tensor, group: Group) -> None:
        memory = self.memory(p)
        memory["step"] = memory.get("step", 0) + 1
        p.sub_(group["lr"] * g * self.factors[memory["step"] % 2])


def _plainness(*factors: float) -> str:
    factory: Any = type("Off", (Off,), {"factors": factors})
    return plainness(Probe(gdprops.optimizer(factory, name="off", lr=0.5)))


def nearly_parallel() -> Pair:
    """Steps of half the length that differ from each other by 0.9e-6, and by 1.1e-6."""
    inside, outside = (_plainness(0.5, 0.5 * (1 + share)) for share in (0.9e-6, 1.1e-6))
    return inside.startswith("nearly: every displacement is 0.5"), outside.startswith("nearly: every displacement is")


def probe_tolerance() -> Pair:
    """Every step longer by 0.9e-8, and by 1.1e-8: ten times the resolution is one number."""
    inside, outside = (_plainness(1 + share, 1 + share) for share in (0.9e-8, 1.1e-8))
    return inside == "yes", outside == "yes"


def lost_share() -> Pair:
    """A displacement answers to a small change of a gradient by a tenth of what it should, and by a fifth."""
    return is_lost(1.0, 0.1), is_lost(1.0, 0.2)


def faintest_answer() -> Pair:
    """What is lost would have been 2^-45, and 2^-47: no more than the rounding of float64."""
    return is_lost(2.0**-45, 0.0), is_lost(2.0**-47, 0.0)


# Where a loop of the user's counts as diverging, and what counts as a guard


def _goes_on(x: float, y: float) -> bool:
    return steps_taken(x, y) == 2


def moderate_loss() -> Pair:
    """J goes from 92.5 to 99.4 before the second step, and from 93.8 to 100.8."""
    return _goes_on(1.0, 14.6), _goes_on(1.0, 14.7)


def loss_growth() -> Pair:
    """Beyond 100 from the start, J goes from 312.5 to 612.5, and from 200 to 450."""
    return _goes_on(20.0, 45.0), _goes_on(20.0, 40.0)


def most_log_guard() -> Pair:
    """``log(x + 1e-3)``, and ``log(x + 1.1e-3)``."""

    def guards(constant: float) -> bool:
        operation: Any = SimpleNamespace(place=SimpleNamespace(name="add"), inputs=[np.ones(2), constant], options={})
        return _constant(operation) is not None

    return guards(1e-3), guards(1.1e-3)


def average_ulps() -> Pair:
    """An average of weights near 1 that is off by two roundings in its own dtype; one that is off by eight."""

    def follows(roundings: int) -> bool:
        was, after = torch.zeros(2, dtype=torch.float64), torch.ones(2, dtype=torch.float64)
        now = 0.5 * after + roundings * 2.0**-52
        move: Any = SimpleNamespace(was={"w": was}, now={"w": now}, after={"w": after})
        return average.is_near(move, "w", 0.5)

    return follows(2), follows(8)


def same_content_roundings() -> Pair:
    """A weight that is one or two roundings from where it was has come back; one that is sixteen away has not."""
    weight = torch.ones(1)
    return tuple(nearly_same(weight + k * 2.0**-23, weight) for k in (2, 16))  # type: ignore[return-value] # two


def common_factor() -> Pair:
    """A decay of five percent that is written out is one common factor; half of the weight is another move."""
    weight = torch.tensor([1.0, -2.0, 4.0])
    return is_multiple(0.95 * weight, weight), is_multiple(0.5 * weight, weight)


def perhaps_scaled() -> Pair:
    """A loss that is weighted by 40 is not scaled by 65536; one that is weighted by 100 may be."""
    weight = torch.ones(1, requires_grad=True)
    return bool(bare_leaves([40 * weight.sum()], 2.0**16)), bool(bare_leaves([100 * weight.sum()], 2.0**16))


def vanished_rate() -> Pair:
    """A rate that a scheduler has brought to a thousandth is gone, and one of a hundredth is not."""
    found = [said("schedule", falling(1.0, *[share] * 5)) for share in (1e-3, 1e-2)]
    return bool(found[0]), bool(found[1])


def considerable_share() -> Pair:
    """A weight of two bytes rests with a tenth of the largest gradient: an update is lost; a fiftieth may be noise."""

    def is_lost(gradient: float) -> bool:
        weight, other = (torch.ones(2, dtype=torch.bfloat16, requires_grad=True) for _ in range(2))
        weight.grad, other.grad = torch.full_like(weight, gradient), torch.ones_like(other)
        return bool(lost_in_rounding([weight], [weight, other], lambda _: 1e-5))

    return is_lost(0.1), is_lost(0.02)


def loss_found_share() -> Pair:
    """Numbers that agree to five millionths are the same but for rounding; fifty millionths are another loss."""
    return is_near(np.array([1.0 + 5e-6]), np.array([1.0])), is_near(np.array([1.0 + 5e-5]), np.array([1.0]))


def clipped_share() -> Pair:
    """A hook leaves the declared norm of 1 but for 5e-6, a guard's room, or but for 2e-5."""

    def is_clipped(off: float) -> bool:
        w = torch.ones(4, dtype=torch.float64, requires_grad=True)
        rule = torch.optim.SGD([w], lr=0.1)

        def scale(*_: Any) -> None:
            assert w.grad is not None
            w.grad.mul_((1 - off) / w.grad.norm())

        rule.register_step_pre_hook(scale)
        return clips_itself(rule, 1.0)

    return is_clipped(5e-6), is_clipped(2e-5)


PAIRS: dict[str, Callable[[], Pair]] = {
    "CLIPPED_SHARE": clipped_share,
    "LOSS_FOUND_SHARE": loss_found_share,
    "SAME_CONTENT_ROUNDINGS": same_content_roundings,
    "COMMON_FACTOR": common_factor,
    "PERHAPS_SCALED": perhaps_scaled,
    "VANISHED_RATE": vanished_rate,
    "CONSIDERABLE_SHARE": considerable_share,
    "MAGNITUDE_SLACK": magnitude_slack,
    "WHOLE_RUN_DECISIVE": whole_run_decisive,
    "WHOLE_RUN_SHARE": whole_run_share,
    "FEWEST_DECISIVE": fewest_decisive,
    "DECISIVE_SHARE": decisive_share,
    "RIVAL_SHARE": rival_share,
    "TWO_COMPUTATIONS": two_computations,
    "ULP": ulp,
    "DISPLACEMENT_ULPS": displacement_ulps,
    "ELEMENTARY": elementary,
    "UNDECIDED_MOVE": undecided_move,
    "RULE_ROUNDING": rule_rounding,
    "FLOORS_PER_TENSOR": floors_per_tensor,
    "GRADIENT_SHARE": gradient_share,
    "REPRODUCED_SHARE": reproduced_share,
    "LARGEST_DENOMINATOR": largest_denominator,
    "SIMPLE_SHARE": simple_share,
    "REGRESSION_RESIDUAL": regression_residual,
    "REGRESSION_RANK": regression_rank,
    "EQUATIONS_PER_UNKNOWN": equations_per_unknown,
    "FLOORS_IN_MAXIMUM_NORM": floors_in_maximum_norm,
    "SHAKEN_FLOORS": shaken_floors,
    "PRINCIPLE": principle,
    "LAW_REMAINDER": law_remainder,
    "SLOPE": slope,
    "RESIDUAL_SLOPE": residual_slope,
    "SLOPE_SHARE": slope_share,
    "LADDER_NOISE": ladder_noise,
    "LAW_RESOLUTION": law_resolution,
    "ARMIJO": armijo,
    "DESCENT_ROUNDING": descent_rounding,
    "RICHARDSON_MARGIN": richardson_margin,
    "RICHARDSON_ROUNDING": richardson_rounding,
    "KINK_SHARE": kink_share,
    "KINK_ROUNDING": kink_rounding,
    "ROUGH_MARGIN": rough_margin,
    "GUARDED_SHARE": guarded_share,
    "MOST_GUARD": most_guard,
    "RECOGNIZED_SHARE": recognized_share,
    "FEWEST_FITTED": fewest_fitted,
    "JUMPY_SHARE": jumpy_share,
    "BLURRED_SHARE": blurred_share,
    "MOST_BACKPROP_WEIGHTS": most_backprop_weights,
    "SINGLE_SCALARS": single_scalars,
    "BFLOAT16_ULP": bfloat16_ulp,
    "BFLOAT16_SHARE": bfloat16_share,
    "FAR_ULPS": far_ulps,
    "DEFAULT_DISTANCE": default_distance,
    "NEARLY_PARALLEL": nearly_parallel,
    "PROBE_TOLERANCE": probe_tolerance,
    "SINGLE_TOLERANCE": single_tolerance,
    "STORED_RATE": stored_rate,
    "CLOCK_SHARE": clock_share,
    "LOST_SHARE": lost_share,
    "FAINTEST_ANSWER": faintest_answer,
    "MODERATE_LOSS": moderate_loss,
    "BOWL_RISE": bowl_rise,
    "LOSS_GROWTH": loss_growth,
    "MOST_LOG_GUARD": most_log_guard,
    "AVERAGE_ULPS": average_ulps,
}

REASONS: dict[str, tuple[str, ...]] = {
    "a format: what IEEE 754 says": ("DOUBLE", "SINGLE", "DOUBLE_BYTES", "FORMATS"),
    "a number of torch's: what torch divides by is right, and no other number is": ("CLIP_GUARD",),
    "a count of steps, halvings or repetitions": (
        "COUPLED_STEPS",
        "GROUPED_STEPS",
        "PERTURBATIONS",
        "FLIPPED_ROUNDINGS",
        "DOWNHILL_HALVINGS",
        "DESCENT_HALVINGS",
        "ROUGH_DIRECTIONS",
        "DOUBLINGS",
        "ACCUMULATION_CALLS",
        "LONGEST_STAGES",
        "MOST_ADVANCES",
        "CLOCK_UPDATES",
        "LATE_STEP",
        "LATEST_STEP",
        "DEFAULT_STEPS",
    ),
    "a place: where something is measured, not how it is judged": (
        "LAW_RATE",
        "SMALLER_LAW_RATE",
        "LADDER",
        "VANISHING_RATE",
        "LOOP_SHARE",
        "RICHARDSON_STEP",
        "ROUGH_STEPS",
        "ROUGH_PLACES",
        "GENTLE",
        "BESIDE",
        "SINGLE_SEES",
        "DOUBLE_ALONE_SEES",
    ),
    "a limit of cost: above it a check does the like with less": (
        "MOST_EQUATIONS",
        "WATCHED_WEIGHTS",
        "LARGE_MODEL",
        "MOST_DEALS",
        "NEAREST_READINGS",
    ),
    "a choice between two wordings of the same fit, both of them true": ("SCALED_SHARE", "LARGEST_CLIP_GUARD"),
    "draws cases": (
        "MODERATE_GRADIENTS",
        "BOWL_WEIGHTS",
        "OTHER_GRADIENTS",
        "WRITTEN_INTO_GRADIENTS",
        "TRUST_BITS",
        "TRUST_MOST",
        "SPLIT_ROWS",
        "CLIPPED_NORMS",
        "CONSTANT_SPREAD",
        "LARGE_TENSOR",
        "LARGE_MATRIX",
        "IMAGINARY",
        "TURN",
        "WAVE",
        "SIDE_OF_A_MATRIX",
        "ALTERNATIVES",
        "SWITCHES",
        "FACTORS",
        "RATES_AT_CONSTRUCTION",
        "INVALID",
        "DEFAULT_SCALES",
        "DEFAULT_SOFTER",
        "OTHER_LOSSES",
    ),
}


def tenfold(value: Any) -> Iterator[Any]:
    """Yield ten times a threshold and a tenth of it; of an interval, for each end alone."""
    if isinstance(value, tuple):
        for k, end in enumerate(value):
            yield from ((*value[:k], other, *value[k + 1 :]) for other in tenfold(end))
    elif isinstance(value, int):
        yield from (10 * value, value // 10)
    else:
        yield from (10 * value, value / 10)


def put(patch: pytest.MonkeyPatch, name: str, value: Any) -> None:
    """Give a constant another value, also in the modules that import it by name."""
    held = getattr(decisions, name)
    for module in [m for key, m in sys.modules.items() if key.partition(".")[0] == "gdprops"]:
        if vars(module).get(name) is held:
            patch.setattr(module, name, value)


@pytest.mark.parametrize("name", PAIRS)
def test_a_threshold_decides_between_its_pair_and_ten_times_or_a_tenth_of_it_does_not(name: str) -> None:
    assert PAIRS[name]() == (True, False)
    for other in tenfold(getattr(decisions, name)):
        with pytest.MonkeyPatch.context() as patch:
            put(patch, name, other)
            assert PAIRS[name]() != (True, False), f"{name} = {other} decides this pair as {name} does"
    assert PAIRS[name]() == (True, False)


def test_every_constant_has_a_pair_or_a_reason_why_there_is_none() -> None:
    """A new constant fails this test until it has a pair under PAIRS, or, if it decides nothing, a place in REASONS."""
    tree = ast.parse(Path(decisions.__file__).read_text(encoding="utf-8"))
    targets = [
        target
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
    ]
    constants = [target.id for target in targets if isinstance(target, ast.Name)]
    explained = [*PAIRS, *(name for names in REASONS.values() for name in names)]
    assert sorted(explained) == sorted(constants)


def test_the_guard_of_clipping_is_torchs() -> None:
    w = torch.ones(1, dtype=torch.float64, requires_grad=True)
    w.grad = torch.ones(1, dtype=torch.float64)
    torch.nn.utils.clip_grad_norm_([w], 0.5)
    assert float(w.grad) == pytest.approx(0.5 / (1 + decisions.CLIP_GUARD), rel=1e-12)
