"""Chapter gradient: looking around from one point."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from gdprops.clauses.support.lazy import lazy
from gdprops.errors import Uncertified
from gdprops.model.clause import View, clause

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gdprops.clauses.support import workbench
    from gdprops.model.arrays import Array
    from gdprops.model.case import LookCase
    from gdprops.model.evidence import Evidence
    from gdprops.model.network import Point
    from gdprops.model.subject import System
else:
    workbench = lazy("gdprops.clauses.support.workbench")


@clause(
    id="gradient.complete",
    statement="Every trainable parameter that the loss depends on has exactly one gradient, of its shape and dtype; "
    "an unused one has none or zeros, a frozen one has none.",
    source="One partial derivative per coordinate: g = (∂J/∂w_1, …, ∂J/∂w_B).",
    decision="By the structure of the network, not by value: a dead unit has zeros, not nothing.",
    view=View.SYSTEM,
    refuted_by=("first-layer-forgotten", "gradient-flattened", "frozen-has-gradient"),
    cases=lambda domain: workbench.looks(domain),
    claim=True,
)
def complete(system: System, case: LookCase) -> Evidence:
    network, found = case.point.network, system.gradient(case.point)
    return workbench.combine(
        _is_complete(network.names[i], w, g, trains=network.trainable[i], used=i in network.used)
        for i, (w, g) in enumerate(zip(case.point.tensors, found, strict=True))
    )


def _is_complete(name: str, w: Array, g: Array | None, *, trains: bool, used: bool) -> Evidence:
    said = _what_is_wrong(w, g, trains=trains, used=used)
    return workbench.violation(f"{name} {said}", blame=(name,)) if said else workbench.require(True, "")


def _what_is_wrong(w: Array, g: Array | None, *, trains: bool, used: bool) -> str:
    if not trains:
        return "is frozen and has a gradient" if g is not None else ""
    if g is None or not used:
        absent = g is None or not g.any()
        return f"has {'no' if used else 'a'} gradient" if absent == used else ""
    if g.shape == w.shape and g.dtype == w.dtype:
        return ""
    return f"has a gradient {g.dtype}{g.shape} instead of {w.dtype}{w.shape}"


@clause(
    id="gradient.matches-loss",
    statement="The gradient is the derivative of the loss: g_i = ∂J/∂w_i.",
    source="The definition of the gradient; TransformerEngine#3552 assigned where it had to add.",
    decision="Exact cases: == to reverse mode in fractions. Others: within the running bound of our NumPy reverse "
    "mode, and within the error of central differences with Richardson extrapolation. Kink-free points.",
    view=View.SYSTEM,
    refuted_by=("gradient-of-tied-weights-overwritten", "gradient-scaled", "weights-written-before-backward"),
    cases=lambda domain: workbench.looks(domain, style=workbench.KINK_FREE),
)
def matches_loss(system: System, case: LookCase) -> Evidence:
    found = system.gradient(case.point)
    if case.regime is workbench.Regime.EXACT:
        exact = workbench.gradient_at(workbench.rational_point(case.point))
        return _compare_gradients(case, found, [None if g is None else workbench.floats(g) for g in exact])
    return workbench.combine(
        [_compare_gradients(case, found, workbench.gradient_at(case.point)), *_differences(case, found)]
    )


def _compare_gradients(case: LookCase, seen: Sequence[Any], expected: Sequence[Any]) -> Evidence:
    """Compare the gradients that were expected, entry by entry; a missing one counts as zeros."""
    try:
        bounds = workbench.bounds_of(case)
    except Uncertified as reason:
        return workbench.vacuous(str(reason))
    names, held = workbench.named_gradient(case.point, expected)
    zeros = [workbench.zeros_like(case.point.tensors[i]) for i in held]
    got = [z if seen[i] is None else seen[i] for i, z in zip(held, zeros, strict=True)]
    wanted, allowed = [expected[i] for i in held], [bounds[i] for i in held]
    return workbench.compare(got, wanted, names=names, allowed=allowed, rivals=[zeros])


def _differences(case: LookCase, found: Sequence[Any]) -> list[Evidence]:
    """Compare with central differences too, where float64 leaves them enough digits and no kink is near."""
    point = case.point
    if case.precision < workbench.decisions.DOUBLE or workbench.has_kinks(point.network):
        return []
    derivatives = workbench.numerical_gradient(
        lambda w: float(workbench.loss_at(workbench.unflat(point, w))),
        workbench.flat_weights(point),
        noise=workbench.loss_bound(point, case.precision),
    )
    seen = workbench.flat_gradient(point, found)
    value, error = [d.value for d in derivatives], [d.error for d in derivatives]
    name = ["weight by weight, against differences"]
    return [workbench.compare([seen], [value], names=name, allowed=[error])]


@clause(
    id="gradient.order-independent",
    statement="While the weights are frozen, gradients taken block by block, in any order, with a fresh forward pass "
    "each or from one retained graph, equal all gradients taken at once.",
    source="Each ∂J/∂w_b is a function of w alone; no order appears in it.",
    decision="Exact cases: ==. Others: within the running bound.",
    view=View.SYSTEM,
    refuted_by=(
        "looking-moves-the-weights",
        "gradient-of-tied-weights-overwritten",
        "later-blocks-see-moved-weights",
    ),
    cases=lambda domain: workbench.looks(domain, style=workbench.DEEP),
    claim=True,
)
def order_independent(system: System, case: LookCase) -> Evidence:
    moving = list(case.point.network.moving)
    order = [b[0] for b in workbench.ordered([(i,) for i in moving], case.order)]
    at_once = system.gradient(case.point)
    nonzero = sum(g is not None and bool(g.any()) for g in at_once)
    if nonzero < 2:
        return workbench.vacuous("fewer than two blocks have a gradient")
    return workbench.combine(
        _compare_gradients(case, system.block_by_block(case.point, visited, retained=retained), at_once)
        for visited in (order, order[::-1])
        for retained in (True, False)
    )


@clause(
    id="gradient.direction-independent",
    statement="Forward mode (front to back, nothing reused) gives the same derivatives as reverse mode.",
    source="dJ(w + t v)/dt = g · v: two ways to evaluate one number.",
    decision="Forward mode along up to four basis vectors. Exact cases: ==. Others: within the running bound.",
    view=View.SYSTEM,
    refuted_by=("forward-mode-skips-the-bias", "gradient-scaled"),
    cases=lambda domain: workbench.looks(domain),
    claim=True,
)
def direction_independent(system: System, case: LookCase) -> Evidence:
    point, w = case.point, workbench.flat_weights(case.point)
    g = workbench.flat_gradient(point, system.gradient(point))
    try:
        bounds = workbench.flat(_broadcast(point, workbench.bounds_of(case)), point.network.moving)
    except Uncertified as reason:
        return workbench.vacuous(str(reason))
    chosen = sorted({k % w.size for k in case.coordinates[:4]}) if w.size else []
    if not g[chosen].any():
        return workbench.vacuous("no derivative along the chosen directions")
    forward = [system.directional(point, workbench.spread(point, _basis(w, k))) for k in chosen]
    names = [f"direction {k}" for k in chosen]
    expected = list(g[chosen])
    return workbench.compare(forward, expected, names=names, allowed=list(bounds[chosen]), rivals=[[0.0] * len(chosen)])


def _broadcast(point: Point, bounds: Sequence[Any]) -> list[Any]:
    return [w * 0 + bound for w, bound in zip(point.tensors, bounds, strict=True)]


def _basis(w: Array, k: int) -> Array:
    unit: Array = w * 0
    unit[k] = 1
    return unit


@clause(
    id="gradient.layer-free",
    statement="Regrouping the weights (one flat vector, one weight per block, a random partition across tensors) "
    "changes no partial derivative: layers do not matter to the mathematics.",
    source="∂J/∂w_i does not mention what w_i is grouped with.",
    decision="Exact cases: ==. Others: within the running bound.",
    view=View.SYSTEM,
    refuted_by=("gradient-normalized-per-block", "gradient-clipped-per-block"),
    cases=lambda domain: workbench.looks(domain),
    claim=True,
)
def layer_free(system: System, case: LookCase) -> Evidence:
    point = case.point
    g = workbench.flat_gradient(point, system.gradient(point))
    if g.size < 2 or not g.any():
        return workbench.vacuous("one weight only, or no gradient")
    try:
        bounds = workbench.flat(_broadcast(point, workbench.bounds_of(case)), point.network.moving)
    except Uncertified as reason:
        return workbench.vacuous(str(reason))
    partitions = {"flat": (tuple(range(g.size)),), **case.partitions}
    return workbench.combine(
        workbench.compare([system.regrouped(point, blocks)], [g], names=[f"the {kind} partition"], allowed=[bounds])
        for kind, blocks in partitions.items()
    )


@clause(
    id="gradient.pure",
    statement="Looking moves nothing: weights, inputs and targets are byte for byte what they were, also against "
    "writes that the framework does not see.",
    source="pytorch#39141: a step between a forward pass and its backward; writes through .data.",
    decision="Bytes, before and after all gradients at once, block by block, and in forward mode.",
    view=View.SYSTEM,
    refuted_by=("looking-moves-the-weights", "weights-written-before-backward", "looking-centers-the-inputs"),
    cases=lambda domain: workbench.looks(domain),
)
def pure(system: System, case: LookCase) -> Evidence:
    point = case.point
    before = [a.copy() for a in _everything(point)]
    found = system.gradient(point)
    system.block_by_block(point, point.network.moving, retained=True)
    system.directional(point, workbench.spread(point, workbench.flat_weights(point) * 0 + 1))
    names = [*point.network.names, "inputs", "targets"]
    if not any(g is not None and g.any() for g in found):
        return workbench.vacuous("no gradient that could have moved anything")
    return workbench.same_bytes(_everything(point), before, names=names, what="looking has moved it")


def _everything(point: Point) -> list[Array]:
    return [*point.tensors, point.batch.inputs, point.batch.targets]


@clause(
    id="gradient.downhill",
    statement="Where a partial derivative is not zero, a small enough step against it alone lowers the loss.",
    source="J(w - t g_i e_i) = J(w) - t g_i² + O(t²).",
    decision="In fractions: some t = 2^-k with k <= 60 lowers J strictly. Kink-free points.",
    view=View.SYSTEM,
    refuted_by=("gradient-sign-flipped",),
    cases=lambda domain: workbench.looks(domain, style=workbench.KINK_FREE, regimes=(workbench.Regime.EXACT,)),
    claim=True,
)
def downhill(system: System, case: LookCase) -> Evidence:
    g = workbench.flat_gradient(case.point, system.gradient(case.point))
    nonzero = [k for k in range(g.size) if g[k]]
    if not nonzero:
        return workbench.vacuous("every partial derivative is zero")
    chosen = {nonzero[k % len(nonzero)] for k in case.coordinates[:2]}
    exact = workbench.rational_point(case.point)
    return workbench.combine(
        workbench.require(
            _falls(exact, k, Fraction(float(g[k]))), f"no step against partial derivative {k} lowers the loss"
        )
        for k in sorted(chosen)
    )


def _falls(point: Point, k: int, slope: Fraction) -> bool:
    w, start = workbench.flat_weights(point), workbench.loss_at(point)
    for halvings in range(workbench.decisions.DOWNHILL_HALVINGS + 1):
        moved = w.copy()
        moved[k] -= slope / 2**halvings
        if workbench.loss_at(workbench.unflat(point, moved)) < start:
            return True
    return False


@clause(
    id="gradient.additive",
    statement="The gradient of a batch is the weighted sum of its micro-batches' gradients, with the weights that "
    "make the losses add up.",
    source="Differentiation is linear; transformers#34191 took the mean of means over ragged micro-batches.",
    decision="Weights: 1 for a sum, the share of the rows for a mean. Exact cases: ==. Others: within the running "
    "bound.",
    view=View.SYSTEM,
    refuted_by=("mean-of-means", "sum-of-means", "last-window-divided-by-the-full-count"),
    cases=lambda domain: workbench.looks(domain, style=workbench.RAGGED),
)
def additive(system: System, case: LookCase) -> Evidence:
    batch, start, parts = case.point.batch, 0, []
    for size in case.chunks:
        parts.append(batch.rows(slice(start, start + size)))
        start += size
    if len(parts) < 2 or len(set(case.chunks)) < 2:
        return workbench.vacuous("one micro-batch, or micro-batches of equal size")
    return _compare_gradients(case, system.additive(case.point, parts), system.gradient(case.point))


CLAUSES = (
    complete,
    matches_loss,
    order_independent,
    direction_independent,
    layer_free,
    pure,
    downhill,
    additive,
)
