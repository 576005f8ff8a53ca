"""Exact certificates: proofs, made before the subject runs, that a case loses no bit at a given precision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gdprops.errors import Uncertified
from gdprops.model.network import Batch
from gdprops.numerics.decisions import TWO_COMPUTATIONS, ULP, unit
from gdprops.numerics.flat import flat_gradient, flat_weights, unflat
from gdprops.numerics.granularity import Granular
from gdprops.numerics.losses import EXACT_LOSSES
from gdprops.numerics.network_pass import gradient, gradient_at, loss
from gdprops.numerics.rounding import Rounded
from gdprops.numerics.updates import simultaneous_step

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.case import Block
    from gdprops.model.network import Point


def certify_look(point: Point, precision: int) -> list[Granular | None]:
    """Prove forward, loss and gradient exact at ``precision`` bits and return the gradient's bounds.

    Raises `Uncertified`.
    """
    if point.network.loss not in EXACT_LOSSES:
        raise Uncertified(f"the loss {point.network.loss} is not exact")
    tensors = [Granular.of(w, precision) for w in point.tensors]
    batch = Batch(Granular.of(point.batch.inputs, precision), Granular.of(point.batch.targets, precision))  # type: ignore[arg-type] # numbers of another kind
    loss(point.network, tensors, batch)
    return gradient(point.network, tensors, batch)


def certify_update(w: Array, g: Array | Granular, rate: float, precision: int) -> None:
    """Prove w - eta g exact. Raises `Uncertified`."""
    bound = g if isinstance(g, Granular) else Granular.of(g, precision)
    Granular.of(w, precision) - Granular.of(rate, precision) * bound


def is_exact_update(w: Array, g: Array, rate: float, precision: int) -> bool:
    """Say whether w - eta g is the same number in every correct computation."""
    try:
        certify_update(w, g, rate, precision)
    except Uncertified:
        return False
    return True


def certify_step(point: Point, rate: float, precision: int) -> Point:
    """Prove a look and the step along it exact; return the point after the step. Raises `Uncertified`."""
    bounds = certify_look(point, precision)
    for w, g in zip(point.tensors, bounds, strict=True):
        if g is not None:
            certify_update(w, g, rate, precision)
    w = flat_weights(point)
    return unflat(point, simultaneous_step(lambda _: flat_gradient(point, gradient_at(point)), w, rate))


def certify_sweep(point: Point, blocks: Sequence[Block], rate: float, precision: int) -> None:
    """Prove every look of a sweep, at the weights it is made at, and every move exact. Raises `Uncertified`."""
    v = flat_weights(point)
    for block in map(list, blocks):
        here = unflat(point, v)
        after = flat_weights(certify_step(here, rate, precision))
        v = v.copy()
        v[block] = after[block]


def gradient_bounds(point: Point, precision: int) -> list[Any]:
    """Return, for each gradient, how far two correct computations of it may lie apart, entry by entry.

    Raises `Uncertified` where an activation sits within rounding of its kink.
    """
    tensors = [Rounded.of(w, precision) for w in point.tensors]
    batch = Batch(Rounded.of(point.batch.inputs, precision), point.batch.targets)  # type: ignore[arg-type] # numbers of another kind
    u = TWO_COMPUTATIONS * unit(precision)
    return [None if g is None else u * g.error for g in gradient(point.network, tensors, batch)]


def loss_bound(point: Point, precision: int) -> float:
    """Return how far two correct computations of J may lie apart."""
    tensors = [Rounded.of(w, precision) for w in point.tensors]
    if point.network.loss in ("half-sse", "mse"):
        batch = Batch(Rounded.of(point.batch.inputs, precision), point.batch.targets)  # type: ignore[arg-type] # numbers of another kind
        found = loss(point.network, tensors, batch)
        return float(TWO_COMPUTATIONS * unit(precision) * found.error)
    return _logistic_loss_bound(point, tensors, precision)


def _logistic_loss_bound(point: Point, tensors: list[Rounded], precision: int) -> float:
    """Mean logistic losses are 1-Lipschitz in each logit, up to a factor 2 for softmax, plus a few roundings."""
    from gdprops.numerics.network_pass import outputs

    (logits,) = outputs(point.network, tensors, Rounded.of(point.batch.inputs, precision))
    per_row = (2 * logits.error + 8 * abs(logits.value) + 8).sum() / len(point.batch.inputs)
    rows = len(point.batch.inputs)
    return float(TWO_COMPUTATIONS * unit(precision) * (per_row + rows * abs(float(loss(point.network, point.tensors, point.batch)))))


def update_allowance(w: Array, displacement: Array, precision: int) -> Array:
    """Return what two correct computations of w - eta g may differ by, given the same g: one ulp of each term."""
    return ULP * unit(precision) * (abs(w) + abs(displacement))
