"""Exact certificates: proofs, made before the subject runs, that no operation of a case rounds at a given precision.

The passes of `network_pass` run on `Granular` numbers, which raise `Uncertified` where a result might not fit. In a
certified case every correct computation gives the same numbers, so a clause may demand equality.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gdprops.errors import Uncertified
from gdprops.model.network import Batch
from gdprops.numerics.decisions import DISPLACEMENT_ULPS, TWO_COMPUTATIONS, ULP, unit
from gdprops.numerics.flat import flat_gradient, flat_weights, unflat
from gdprops.numerics.granularity import Granular
from gdprops.numerics.losses import EXACT_LOSSES, SQUARES
from gdprops.numerics.network_pass import gradient, loss
from gdprops.numerics.running_bound import Rounded

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.case import Block
    from gdprops.model.network import Point


def certify_look(point: Point, precision: int, *, value: bool = True) -> list[Granular | None]:
    """Prove the forward pass, the gradient and (with ``value``) the loss exact; return the gradient's bounds.

    ``precision`` is the number of significant bits. Raises `Uncertified`.
    """
    if point.network.loss not in EXACT_LOSSES:
        raise Uncertified(f"the loss {point.network.loss} is not exact")
    tensors, batch = [Granular.of(w, precision) for w in point.tensors], _granular(point.batch, precision)
    if value:
        loss(point.network, tensors, batch)
    return gradient(point.network, tensors, batch)


def _granular(batch: Batch, precision: int) -> Batch:
    """Return the batch as granular numbers; a batch that already consists of these, as it is."""
    if isinstance(batch.inputs, Granular):
        return batch
    return Batch(Granular.of(batch.inputs, precision), Granular.of(batch.targets, precision))  # type: ignore[arg-type] # numbers of another kind


def certify_update(w: Array, g: Array | Granular, rate: float, precision: int) -> None:
    """Prove that w - eta g is exact. Raises `Uncertified`."""
    bound = g if isinstance(g, Granular) else Granular.of(g, precision)
    Granular.of(w, precision) - Granular.of(rate, precision) * bound


def is_exact_update(w: Array, g: Array, rate: float, precision: int) -> bool:
    """Say whether w - eta g is the same number in every correct computation."""
    try:
        certify_update(w, g, rate, precision)
    except Uncertified:
        return False
    return True


def certify_move(point: Point, block: Sequence[int], rate: float, precision: int) -> Array:
    """Prove a gradient evaluation and the move of one block exact; return the flat weights after the move."""
    bounds = certify_look(point, precision, value=False)
    w, g = flat_weights(point), flat_gradient(point, [None if b is None else b.value for b in bounds])
    reach = flat_gradient(point, [None if b is None else b.bound for b in bounds])
    exponent = min((b.exponent for b in bounds if b is not None), default=0)
    chosen = list(block)
    moving = Granular(g[chosen], reach[chosen], exponent, precision)
    certify_update(w[chosen], moving, rate, precision)
    w[chosen] = w[chosen] - rate * g[chosen]
    return w


def certify_sweep(point: Point, blocks: Sequence[Block], rate: float, precision: int) -> None:
    """Prove every move of a sweep exact, and every gradient at the weights where it is taken. Raises `Uncertified`."""
    point = point.on(_granular(point.batch, precision))
    for block in blocks:
        point = unflat(point, certify_move(point, block, rate, precision))


def gradient_bounds(point: Point, precision: int) -> list[Any]:
    """Return, for each gradient, how far two correct computations of it may lie apart, entry by entry.

    Raises `Uncertified` where an activation sits within rounding of its kink.
    """
    tensors = [Rounded.of(w, precision) for w in point.tensors]
    batch = Batch(Rounded.of(point.batch.inputs, precision), point.batch.targets)  # type: ignore[arg-type] # numbers of another kind
    u = TWO_COMPUTATIONS * unit(precision)
    return [None if g is None else u * g.error for g in gradient(point.network, tensors, batch)]


def loss_bound(point: Point, precision: int) -> float:
    """Return how far two correct computations of the loss J may lie apart."""
    tensors = [Rounded.of(w, precision) for w in point.tensors]
    if point.network.loss in SQUARES:
        batch = Batch(Rounded.of(point.batch.inputs, precision), point.batch.targets)  # type: ignore[arg-type] # numbers of another kind
        found = loss(point.network, tensors, batch)
        return float(TWO_COMPUTATIONS * unit(precision) * found.error)
    return _logistic_loss_bound(point, tensors, precision)


def _logistic_loss_bound(point: Point, tensors: list[Rounded], precision: int) -> float:
    """Return the bound of a mean logistic loss.

    It is 1-Lipschitz in each logit, up to a factor 2 for softmax; a few roundings are added.
    """
    from gdprops.numerics.network_pass import outputs

    (logits,) = outputs(point.network, tensors, Rounded.of(point.batch.inputs, precision))
    per_row = (2 * logits.error + 8 * abs(logits.value) + 8).sum() / len(point.batch.inputs)
    rows = len(point.batch.inputs)
    return float(
        TWO_COMPUTATIONS
        * unit(precision)
        * (per_row + rows * abs(float(loss(point.network, point.tensors, point.batch))))
    )


def update_allowance(w: Array, displacement: Array, precision: int) -> Array:
    """Return how far a correct w - eta g may be off, given the same g: an ulp of w, two ulps of the displacement."""
    return ULP * unit(precision) * (abs(w) + DISPLACEMENT_ULPS * abs(displacement))
