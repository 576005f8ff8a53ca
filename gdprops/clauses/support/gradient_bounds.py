"""What the chapters gradient and sequential compare with: bounds on gradients, and exact steps and sweeps.

In an exact case two correct gradients are equal, so the bound is 0. In other cases the running bound says how far two
correct computations may differ. Exact steps and sweeps are computed in fractions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gdprops.clauses.support.kept_results import kept
from gdprops.model.case import Regime
from gdprops.numerics.certificate import gradient_bounds
from gdprops.numerics.flat import flat_gradient, flat_weights, unflat
from gdprops.numerics.network_pass import gradient_at
from gdprops.numerics.rational import rational_point
from gdprops.numerics.second_order_law import lower_hessian_times_gradient
from gdprops.numerics.updates import simultaneous_step, sweep

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.case import Block, LookCase
    from gdprops.model.network import Point


def bounds_of(case: LookCase) -> list[Any]:
    """Return, tensor by tensor, how far two correct gradients may differ: 0 in an exact case.

    Raises `Uncertified` where the input of an activation is within rounding of a kink.
    """
    if case.regime is Regime.EXACT:
        return [0.0] * len(case.point.tensors)
    return [0.0 if bound is None else bound for bound in gradient_bounds(case.point, case.precision)]


def named_gradient(point: Point, gradient: Sequence[Any]) -> tuple[list[str], list[int]]:
    """Return the names and indices of the tensors that have a gradient."""
    held = [i for i, g in enumerate(gradient) if g is not None]
    return [point.network.names[i] for i in held], held


@kept
def exact_law(point: Point, blocks: tuple[Block, ...]) -> Array:
    """Return c = lower(H) g in fractions, computed with dual numbers and without a sweep."""
    return lower_hessian_times_gradient(rational_point(point), blocks)


@kept
def rational_displacement(point: Point, blocks: tuple[Block, ...], rate: Any) -> tuple[Array, Array]:
    """Return the exact simultaneous step and the exact sweep, as flat weights in fractions."""
    exact = rational_point(point)

    def gradient(w: Array) -> Array:
        here = unflat(exact, w)
        return flat_gradient(here, gradient_at(here))

    w = flat_weights(exact)
    return simultaneous_step(gradient, w, rate), sweep(gradient, w, blocks, rate)
