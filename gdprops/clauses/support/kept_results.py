"""Results that depend on a point alone, kept for the next clause or system that asks for them.

Clauses look at the same cases one after the other, and those about the reference at two systems. What is computed in
fractions for a case does not depend on which of them asks.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import wraps
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

if TYPE_CHECKING:
    from gdprops.model.network import Point

MOST_KEPT = 512
P = ParamSpec("P")
R = TypeVar("R")


def kept(compute: Callable[Concatenate[Point, P], R]) -> Callable[Concatenate[Point, P], R]:
    """Return the function, whose results are kept for the same point (the same object) and equal other arguments.

    The results are shared: a caller must not change them.
    """
    found: OrderedDict[Hashable, tuple[Point, R]] = OrderedDict()

    @wraps(compute)
    def once(point: Point, /, *args: P.args, **kwargs: P.kwargs) -> R:
        key = (id(point), args, tuple(kwargs.items()))
        if key not in found:
            if len(found) >= MOST_KEPT:
                found.popitem(last=False)
            found[key] = (point, compute(point, *args, **kwargs))  # the point is held, so that its id stays its own
        return found[key][1]

    return once
