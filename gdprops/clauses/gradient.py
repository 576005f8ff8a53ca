"""Chapter gradient: the gradient at one point, evaluated in several ways while nothing moves.

A `System` (gdprops' own reference, or a framework) is asked for the gradients at one point: all at once, block by
block, in forward mode, over other partitions of the weights, and from micro-batches. All answers must be the same
numbers: equal in exact cases, within the running bound in others. Example: J = ½ (w x - y)² at w = x = 1 and y = 0 has
the gradient 1, whichever way it is computed.
"""

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
    "an unused parameter has no gradient or zeros, and a frozen parameter has none.",
    source="There is one partial derivative per coordinate: g = (∂J/∂w_1, …, ∂J/∂w_B).",
    decision="Which parameters must have a gradient is known from the structure of the network, not from values: "
    "the gradient of a dead unit is zeros, not missing. Of every parameter it is compared whether there is a "
    "gradient, and its shape and dtype. Of hand-written backprop: every parameter must have a gradient of its shape "
    "and dtype.",
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
    source="The definition of the gradient. NVIDIA/TransformerEngine#3552 assigned a weight gradient where it had "
    "to add it.",
    decision="Exact cases: the gradient must equal (==) reverse mode in fractions. Other cases: it must lie within "
    "the running bound of gdprops' own reverse mode in NumPy, and in float64, where no activation has a kink, also "
    "within the error of central differences with Richardson extrapolation. All points are kink-free. An example is "
    "decisive when a gradient of zeros can be told from the expected one. Of hand-written backprop: the gradients "
    "are compared with numerical derivatives of the user's own loss, within their error.",
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
    """Compare the gradients of all tensors that should have one, entry by entry.

    A missing gradient counts as zeros, and zeros are the rival: the example is decisive where they differ clearly.
    """
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
    """Compare with central differences too.

    Only in float64, where differences have enough correct digits, and only where no activation has a kink.
    """
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
    statement="While the weights stay the same, gradients computed block by block equal the gradients computed all "
    "at once: in any order of the blocks, with a fresh forward pass for each block or from one retained graph.",
    source="Each ∂J/∂w_b is a function of w alone; no order appears in it.",
    decision="The gradients of the tensors are computed one after the other: in a drawn order and in its reverse, "
    "from fresh forward passes and from one retained graph. Each result is compared with the gradients computed all "
    "at once. Exact cases: ==. Other cases: within the running bound. An example is decisive when at least two "
    "tensors have a gradient that is not zero.",
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
        return workbench.vacuous("fewer than two blocks have a gradient that is not zero")
    return workbench.combine(
        _compare_gradients(case, system.block_by_block(case.point, visited, retained=retained), at_once)
        for visited in (order, order[::-1])
        for retained in (True, False)
    )


@clause(
    id="gradient.direction-independent",
    statement="Forward mode (front to back, nothing reused) gives the same derivatives as reverse mode.",
    source="dJ(w + t v)/dt = g · v: these are two ways to evaluate one number.",
    decision="Derivatives along up to four basis vectors are computed in forward mode and compared with the same "
    "entries of the gradient. Exact cases: ==. Other cases: within the running bound. An example is decisive when "
    "one of these entries can be told from zero.",
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
        return workbench.vacuous("every derivative along the chosen directions is zero")
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
    source="The definition of ∂J/∂w_i does not mention the other weights that w_i is grouped with.",
    decision="The gradient is computed again with respect to the blocks of other partitions and compared with the "
    "gradient of all tensors at once. Exact cases: ==. Other cases: within the running bound. An example is "
    "decisive when there are at least two weights and a partial derivative that is not zero.",
    view=View.SYSTEM,
    refuted_by=("gradient-normalized-per-block", "gradient-clipped-per-block"),
    cases=lambda domain: workbench.looks(domain),
    claim=True,
)
def layer_free(system: System, case: LookCase) -> Evidence:
    point = case.point
    g = workbench.flat_gradient(point, system.gradient(point))
    if g.size < 2 or not g.any():
        return workbench.vacuous("there is only one weight, or every partial derivative is zero")
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
    statement="Computing gradients changes nothing: weights, inputs and targets stay the same byte for byte, even "
    "where the framework does not see the write.",
    source="pytorch/pytorch#39141: a step between a forward pass and its backward pass. Writes through .data.",
    decision="The bytes of weights, inputs and targets are compared before and after the gradients are computed: "
    "all at once, block by block, and in forward mode. An example is decisive when a gradient is not zero. Of "
    "hand-written backprop: loss and gradients must leave params, X and y as they were, and step must leave X and y "
    "as they were.",
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
        return workbench.vacuous("every gradient is zero, so nothing could have moved")
    return workbench.same_bytes(_everything(point), before, names=names, what="computing gradients has changed it")


def _everything(point: Point) -> list[Array]:
    return [*point.tensors, point.batch.inputs, point.batch.targets]


@clause(
    id="gradient.downhill",
    statement="Where a partial derivative is not zero, a small enough step against it alone lowers the loss.",
    source="J(w - t g_i e_i) = J(w) - t g_i² + O(t²).",
    decision="In fractions, at kink-free points, for up to two partial derivatives that are not zero: J is "
    "evaluated at w - t g_i e_i for t = 1, 1/2, 1/4, …, 2^-60. Some of these t must lower J strictly.",
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
    source="Differentiation is linear. huggingface/transformers#34191 took the mean of the means over micro-batches "
    "of unequal sizes.",
    decision="The weights are 1 where the loss is a sum, and the micro-batch's share of the rows where it is a "
    "mean. The weighted sum of the micro-batches' gradients is compared with the gradient of the whole batch. Exact "
    "cases: ==. Other cases: within the running bound. An example is decisive when its micro-batches have different "
    "sizes and the gradient can be told from zeros.",
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
        return workbench.vacuous("there is one micro-batch, or all have the same size")
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
