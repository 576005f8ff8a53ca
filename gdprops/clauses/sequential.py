"""Chapter sequential: a sweep moves one block after the other, and ends elsewhere than the simultaneous step.

The step computes w' = w - η g(w) with every gradient at w. A sweep computes v_b ← v_b - η g_b(v) for one block b after
the other, with every gradient at weights that earlier blocks have already moved. Both differ by η² lower(H) g + O(η³).
Example: J = ½ (w1 w2)² at w = (1, 1) with η = ½: the step ends at (½, ½), the sweep over w1 and then w2 at (½, ⅞).
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from gdprops.clauses.support.lazy import lazy
from gdprops.model.clause import Needs, View, clause
from gdprops.model.wording import plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypothesis.strategies import SearchStrategy

    from gdprops.clauses.support import workbench
    from gdprops.model.arrays import Array
    from gdprops.model.case import Block, LookCase
    from gdprops.model.domain import Domain
    from gdprops.model.evidence import Evidence
    from gdprops.model.network import Point
    from gdprops.model.subject import System
    from gdprops.numerics.updates import Gradient
else:
    workbench = lazy("gdprops.clauses.support.workbench")

PLAIN = Needs(plain=True, rate=True)
_TWO_RATES = (
    "gdprops' reference runs in fractions at η = 2^-60. A subject that is plain gradient descent runs at its own "
    "dyadic learning rate. "
)


def _blocks(case: LookCase) -> tuple[Block, ...]:
    """Return the blocks of a case's only partition, in the order in which a sweep visits them."""
    (blocks,) = case.partitions.values()
    return tuple(workbench.ordered(blocks, case.order))


def _law_point(system: System, case: LookCase) -> tuple[Point, Any]:
    """Return the point in fractions and the rate 2^-60 if the system computes in fractions, else the case's own."""
    if system.rational:
        return workbench.rational_point(case.point), workbench.decisions.LAW_RATE
    return case.point, case.rate


def _apart(system: System, case: LookCase, blocks: Sequence[Block]) -> Array:
    """Return v - w': where the system's sweep ends, minus where its simultaneous step ends."""
    point, rate = _law_point(system, case)
    return system.sweep(point, blocks, rate) - system.step(point, rate)


def _differs_exactly(system: System, case: LookCase, blocks: tuple[Block, ...]) -> bool:
    """Say whether sweep and step, both in fractions, differ at the rate at which the system runs."""
    rate = workbench.decisions.LAW_RATE if system.rational else Fraction(case.rate)
    step, sweep = workbench.rational_displacement(case.point, blocks, rate)
    return bool((step != sweep).any())


@clause(
    id="sequential.first-block",
    statement="The first block of a sequential sweep moves exactly as in the simultaneous update.",
    source="At that moment no other block has moved: v = w, hence g_b(v) = g_b(w).",
    decision="All cases are exact. A sweep and a simultaneous step start from the same weights. The first block of "
    "the sweep must end exactly (==) where the step puts it. An example is decisive when there are at least two "
    "blocks and the first one moves.",
    view=View.SYSTEM,
    refuted_by=("sweep-looks-after-stepping", "sgd-clips-the-norm"),
    cases=lambda domain: workbench.sweeps(domain),
    needs=PLAIN,
    claim=True,
)
def first_block(system: System, case: LookCase) -> Evidence:
    blocks, w = _blocks(case), workbench.flat_weights(case.point)
    swept, stepped = system.sweep(case.point, blocks, case.rate), system.step(case.point, case.rate)
    first = list(blocks[0])
    if len(blocks) < 2:
        return workbench.vacuous("there is only one block")
    return workbench.compare(
        [swept[first]], [stepped[first]], names=["the first block"], start=[w[first]], rivals=[[w[first]]]
    )


@clause(
    id="sequential.diverges",
    statement="Where c = lower(H) g is not zero, the sweep differs from the simultaneous update.",
    source="v_b - w'_b = -η [g_b(v) - g_b(w)] = η² Σ_{a before b} H_ba g_a + O(η³).",
    decision=_TWO_RATES
    + "The sweep must end elsewhere than the step. An example is decisive when c is not zero and the sweep in "
    "fractions differs from the step at the same rate. c is computed with dual numbers, without any sweep.",
    view=View.SYSTEM,
    refuted_by=("sweep-never-looks-again",),
    cases=lambda domain: workbench.sweeps(domain),
    needs=PLAIN,
    claim=True,
)
def diverges(system: System, case: LookCase) -> Evidence:
    blocks = _blocks(case)
    if not workbench.exact_law(case.point, blocks).any() or not _differs_exactly(system, case, blocks):
        return workbench.vacuous("lower(H) g is zero")
    apart = _apart(system, case, blocks)
    return workbench.require(bool((apart != 0).any()), "the sweep equals the simultaneous update, but must not")


@clause(
    id="sequential.second-order",
    statement="The sweep differs from the simultaneous update by η² lower(H) g + O(η³): log-log slope 2, residual "
    "slope 3.",
    source="Taylor's theorem on g_b(v) - g_b(w). Measured: slope 1.999, residual slope 2.998.",
    decision="In fractions: the remainder R(η) = (v - w')/η² - c must shrink at least 2^19-fold from η = 2^-60 to "
    "2^-80. Smooth networks: over four learning rates the slope of |v - w'| must lie between 1.9 and 2.1, and the "
    "slope of the remainder must be at least 2.8, unless the remainder is below rounding. A system in floating "
    "point: on exact cases v - w' must equal (==) the difference in fractions. An example is decisive when c is not "
    "zero.",
    view=View.SYSTEM,
    refuted_by=("sweep-with-half-the-rate", "sweep-stops-early"),
    cases=lambda domain: _laws(domain),
    needs=PLAIN,
)
def second_order(system: System, case: LookCase) -> Evidence:
    if case.regime is workbench.Regime.ROUNDED:
        return _ladder(system, case)
    blocks = _blocks(case)
    c = workbench.exact_law(case.point, blocks)
    if not c.any():
        return workbench.vacuous("lower(H) g is zero")
    if not system.rational:
        return _exact_difference(system, case, blocks)
    far, near = (
        _remainder(system, case, blocks, c, rate)
        for rate in (workbench.decisions.LAW_RATE, workbench.decisions.SMALLER_LAW_RATE)
    )
    holds = near <= workbench.decisions.LAW_REMAINDER * far
    return workbench.require(
        holds, f"the remainder is {float(near):.3g} at η = 2^-80 and {float(far):.3g} at 2^-60: not O(η)"
    )


def _laws(domain: Domain) -> SearchStrategy[LookCase]:
    """Return a strategy for exact sweeps and, unless the subject is plain gradient descent, for smooth networks."""
    exact = workbench.sweeps(domain, kinds=("layer", "tensor", "random"))
    return exact if domain.plain else exact | workbench.smooth_sweeps(domain)


def _remainder(system: System, case: LookCase, blocks: Sequence[Block], c: Array, rate: Fraction) -> Fraction:
    point = workbench.rational_point(case.point)
    apart = system.sweep(point, blocks, rate) - system.step(point, rate)
    return max((abs(r) for r in apart / rate**2 - c), default=Fraction(0))


def _exact_difference(system: System, case: LookCase, blocks: tuple[Block, ...]) -> Evidence:
    step, sweep = workbench.rational_displacement(case.point, blocks, Fraction(case.rate))
    if not (sweep != step).any():
        return workbench.vacuous("the sweep in fractions does not differ from the step at this rate")
    seen, expected = _apart(system, case, blocks), workbench.floats(sweep - step)
    return workbench.compare([seen], [expected], names=["sweep - step"], rivals=[[expected * 0]])


def _ladder(system: System, case: LookCase) -> Evidence:
    """Compare the slopes of |v - w'| and of its remainder over four learning rates, scaled to the curvature."""
    return workbench.law_on_a_ladder(system.look(case.point), case.point, _blocks(case))


@clause(
    id="sequential.decoupled",
    statement="Structurally decoupled blocks, a single block, and any blocks at a stationary point move in a sweep "
    "exactly as in the simultaneous update.",
    source="H_ba = 0 at all weights of the sweep, or there is no second block, or nothing moves.",
    decision="All cases are exact: the sweep must end exactly (==) where the simultaneous step ends. That blocks "
    "are decoupled is known from the structure of the network (parallel towers under half the sum of squared "
    "errors), not measured. An example is decisive when the weights move; at a stationary point always.",
    view=View.SYSTEM,
    refuted_by=("sweep-looks-after-stepping", "sweep-stops-early"),
    cases=lambda domain: workbench.decoupled(domain),
    needs=PLAIN,
)
def is_decoupled(system: System, case: LookCase) -> Evidence:
    blocks, w = _blocks(case), workbench.flat_weights(case.point)
    swept, stepped = system.sweep(case.point, blocks, case.rate), system.step(case.point, case.rate)
    rivals = [] if case.claim == "stationary" else [[w]]
    return workbench.compare([swept], [stepped], names=[f"all weights ({case.claim})"], start=[w], rivals=rivals)


@clause(
    id="sequential.order-matters",
    statement="Where (lower_π - lower_π')(H) g is not zero, sweeping in the orders π and π' ends at different weights.",
    source="Reversing π exchanges the strictly lower for the strictly upper triangle of H.",
    decision=_TWO_RATES
    + "The sweeps in an order and in its reverse must end at different weights. An example is decisive when "
    "(lower_π - lower_π')(H) g is not zero and the two sweeps in fractions differ at the same rate.",
    view=View.SYSTEM,
    refuted_by=("sweep-ignores-the-order",),
    cases=lambda domain: workbench.sweeps(domain),
    needs=PLAIN,
    claim=True,
)
def order_matters(system: System, case: LookCase) -> Evidence:
    there = _blocks(case)
    back = there[::-1]
    rate = workbench.decisions.LAW_RATE if system.rational else Fraction(case.rate)
    exact = [workbench.rational_displacement(case.point, order, rate)[1] for order in (there, back)]
    law = [workbench.exact_law(case.point, order) for order in (there, back)]
    if not (law[0] != law[1]).any() or not (exact[0] != exact[1]).any():
        return workbench.vacuous("both orders end at the same weights")
    point, eta = _law_point(system, case)
    apart = system.sweep(point, there, eta) - system.sweep(point, back, eta)
    return workbench.require(bool((apart != 0).any()), "both orders end at the same weights, but must not")


@clause(
    id="sequential.cost",
    statement="A sweep over B blocks costs B gradient evaluations; the simultaneous update costs one.",
    source="Each block needs a forward pass and a gradient at weights that earlier blocks have moved.",
    decision="The gradient evaluations of one step and of one sweep are counted: one, and as many as there are "
    "blocks. An example is decisive when there are at least two blocks.",
    view=View.SYSTEM,
    refuted_by=("sweep-never-looks-again", "sweep-goes-twice", "step-looks-once-per-weight"),
    cases=lambda domain: workbench.sweeps(domain),
    needs=Needs(reference_only=True),
    claim=True,
)
def cost(system: System, case: LookCase) -> Evidence:
    blocks, before = _blocks(case), system.looks()
    system.step(case.point, case.rate)
    stepping = system.looks() - before
    system.sweep(case.point, blocks, case.rate)
    sweeping = system.looks() - before - stepping
    if len(blocks) < 2:
        return workbench.vacuous("there is only one block")
    found = f"{plural(sweeping, 'gradient evaluation')} for {len(blocks)} blocks, {stepping} for the step"
    return workbench.require((stepping, sweeping) == (1, len(blocks)), found)


@clause(
    id="sequential.granularity",
    statement="Sweeps weight by weight, tensor by tensor and layer by layer all differ from the simultaneous "
    "update, wherever there are at least two blocks and c = lower(H) g is not zero.",
    source="The law of divergence holds for any partition; one block per weight is coordinate descent.",
    decision=_TWO_RATES
    + "The sweep over each partition must end elsewhere than the step. An example is decisive when at least two "
    "partitions differ, and for one of them c is not zero and the sweep in fractions differs from the step.",
    view=View.SYSTEM,
    refuted_by=("sweep-never-looks-again",),
    cases=lambda domain: workbench.granular_sweeps(domain),
    needs=PLAIN,
    claim=True,
)
def granularity(system: System, case: LookCase) -> Evidence:
    distinct = {kind: blocks for kind, blocks in case.partitions.items() if len(blocks) > 1}
    if len(set(distinct.values())) < 2:
        return workbench.vacuous("fewer than two partitions differ")
    return workbench.combine(_diverges_over(system, case, kind, blocks) for kind, blocks in distinct.items())


def _diverges_over(system: System, case: LookCase, kind: str, blocks: tuple[Block, ...]) -> Evidence:
    visited = workbench.ordered(blocks, case.order)
    if not workbench.exact_law(case.point, visited).any() or not _differs_exactly(system, case, visited):
        return workbench.vacuous(f"lower(H) g is zero {kind} by {kind}")
    apart = _apart(system, case, visited)
    return workbench.require(bool((apart != 0).any()), f"the sweep {kind} by {kind} equals the simultaneous update")


@clause(
    id="sequential.gauss-seidel",
    statement="On a quadratic loss, one weight per block and rate 1/H_bb, the sweep is the Gauss-Seidel iteration and "
    "the simultaneous update the Jacobi iteration.",
    source="Golub and Van Loan, Matrix Computations, 4th edition, ISBN 978-1-4214-0794-4, section 11.2: splittings "
    "of H w = b.",
    decision="Inputs of ±1 make every H_bb equal to the number of rows, a power of two, so every case is exact. The "
    "step is compared (==) with the Jacobi iteration in fractions, and the sweep with the Gauss-Seidel iteration. "
    "An example is decisive when the two iterations end at different weights.",
    view=View.SYSTEM,
    refuted_by=(
        "sweep-never-looks-again",
        "sweep-with-half-the-rate",
        "sweep-goes-twice",
        "step-is-a-sweep",
        "sgd-doubles-the-step",
    ),
    cases=lambda domain: workbench.linear_regressions(domain),
    needs=PLAIN,
)
def gauss_seidel(system: System, case: LookCase) -> Evidence:
    H, b, w = _normal_equations(case.point)
    order = [block[0] for block in _blocks(case)]
    jacobi = [(b[i] - sum(H[i, j] * w[j] for j in order if j != i)) / H[i, i] for i in range(len(w))]
    seidel = list(w)
    for i in order:
        seidel[i] = (b[i] - sum(H[i, j] * seidel[j] for j in order if j != i)) / H[i, i]
    if jacobi == seidel:
        return workbench.vacuous("both iterations end at the same weights (H is diagonal, or w solves H w = b)")
    seen = [system.step(case.point, case.rate), system.sweep(case.point, _blocks(case), case.rate)]
    expected = [workbench.floats_of(jacobi), workbench.floats_of(seidel)]
    names = ["the step (Jacobi)", "the sweep (Gauss-Seidel)"]
    return workbench.compare(seen, expected, names=names, rivals=[expected[::-1]])


def _normal_equations(point: Point) -> tuple[Array, Array, Array]:
    """Return H = XᵀX, b = Xᵀy and w of a linear network with one output, in fractions."""
    X, y = workbench.rational(point.batch.inputs), workbench.rational(point.batch.targets)
    return X.T @ X, (X.T @ y)[:, 0], workbench.flat_weights(workbench.rational_point(point))


@clause(
    id="sequential.layerwise-rate",
    statement="Giving every layer a learning rate of its own (LARS, LAMB), and training one unfrozen layer, are "
    "still simultaneous updates: w'_b = w_b - η_b g_b with every η_b and g at the frozen weights.",
    source="You, Gitman and Ginsburg 2017, arXiv:1708.03888: η_b = η |w_b| / |g_b|.",
    decision="The rates are η |w_b| / |g_b|, rounded to 6 bits; where these are all equal, the rate is halved from "
    "layer to layer instead. The step must end at w_b - η_b g_b, within one ulp of w_b and two ulps of the "
    "displacement. An example is decisive when a sweep with these rates, and a step with one rate for all layers, "
    "both end elsewhere.",
    view=View.SYSTEM,
    refuted_by=("layerwise-rates-swept", "step-is-a-sweep", "layerwise-rates-averaged"),
    cases=lambda domain: workbench.sweeps(domain, kinds=("layer",)),
    needs=Needs(plain=True, rate=True, groups=True),
    claim=True,
)
def layerwise_rate(system: System, case: LookCase) -> Evidence:
    point, blocks = case.point, _blocks(case)
    w, g = workbench.flat_weights(point), workbench.flat_gradient(point, workbench.gradient_at(point))
    if len(blocks) < 2:
        return workbench.vacuous("there is only one layer")
    rates = workbench.trust_ratios(w, g, blocks, case.rate)
    if len(set(rates.tolist())) < 2:
        rates = workbench.rates_by_depth(w.size, blocks, case.rate)
    allowed = workbench.update_allowance(w, rates * g, case.precision)
    expected = w - rates * g
    swept = workbench.sweep(_gradient(point), w, blocks, rates)
    return workbench.compare(
        [system.step(point, rates)],
        [expected],
        names=["all weights"],
        allowed=[allowed],
        start=[w],
        rivals=[[swept], [w - case.rate * g]],
    )


def _gradient(point: Point) -> Gradient:
    def gradient(v: Array) -> Array:
        here = workbench.unflat(point, v)
        return workbench.flat_gradient(here, workbench.gradient_at(here))

    return gradient


CLAUSES = (
    first_block,
    diverges,
    second_order,
    is_decoupled,
    order_matters,
    cost,
    granularity,
    gauss_seidel,
    layerwise_rate,
)
