"""Two subjects on one case: the weights of both after every step must be equal, but for the rounding of both.

Equal means ``==`` where the case is exact: plain gradient descent on numbers so short that nothing rounds. Else the
allowance of each side is measured (`rounding_allowance`), and the larger one counts, in the precision of the case.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from gdprops.clauses.support.optimizer_runs import effective_rates, feed, names_of
from gdprops.clauses.support.rounding_allowance import allowances
from gdprops.errors import SubjectCrash
from gdprops.model.evidence import Evidence, combine, vacuous, violation
from gdprops.numerics import decisions
from gdprops.numerics.certificate import is_exact_update
from gdprops.numerics.comparison import compare, differ

if TYPE_CHECKING:
    from gdprops.clauses.support.optimizer_runs import Weights
    from gdprops.model.case import Plan, UpdateCase
    from gdprops.model.subject import FedSubject
    from gdprops.pairs.pair import Pair

Walked = tuple["list[Weights] | None", str]
"""The weights before and after every step, or None and what was raised instead."""
Rooms = Sequence[Sequence[float]]
"""What is allowed, for every step and tensor."""


def compared(pair: Pair, case: UpdateCase) -> Evidence:
    """Return whether both subjects go the same way: a violation is the first step at which they do not."""
    seen, told = walked(pair.first, case)
    other, said = walked(pair.second, case)
    if seen is None or other is None:
        return _raised(pair, told, said)
    return apart(case, seen, other, lambda: _allowed(pair, case, seen, other))


def apart(
    case: UpdateCase, first: Sequence[Weights], second: Sequence[Weights], allowed: Callable[[], Rooms]
) -> Evidence:
    """Compare two trajectories; ``allowed`` returns the allowance of every step and tensor, if it is needed.

    Counters and factors that a framework keeps in float32 are off by more than an ulp of the weights. In a case in
    float32, a difference that such factors may bring decides nothing.
    """
    if not any(differ(a, b) for a, b in zip(first, second, strict=True)):
        return Evidence() if differ(first[-1], case.tensors) else vacuous("nothing moves")
    rooms = allowed()
    found = _within(case, first, second, rooms)
    if found.violated and not _in_double(case) and any(map(any, rooms)):
        way = [[decisions.SINGLE_SCALARS * far for far in step] for step in _ways(first)]
        wider = [[a + b for a, b in zip(*each, strict=True)] for each in zip(rooms, way, strict=True)]
        if not _within(case, first, second, wider).violated:
            return vacuous("they differ by no more than factors that are kept in float32 may bring")
    return found


def _within(case: UpdateCase, first: Sequence[Weights], second: Sequence[Weights], rooms: Rooms) -> Evidence:
    return combine(
        compare(b, a, names=names_of(case), allowed=rooms[t], start=first[max(t - 1, 0)], step=t)
        for t, (a, b) in enumerate(zip(first, second, strict=True))
    )


def _ways(seen: Sequence[Weights]) -> list[list[float]]:
    """Return how far each tensor has gone in all by each step."""
    gone = [[float(np.abs(b - a).max(initial=0)) for a, b in zip(*pair, strict=True)] for pair in pairwise(seen)]
    totals = [[0.0] * len(seen[0])]
    for step in gone:
        totals.append([a + b for a, b in zip(totals[-1], step, strict=True)])
    return totals


def _in_double(case: UpdateCase) -> bool:
    return all(w.dtype.itemsize == decisions.DOUBLE_BYTES for w in case.tensors)


def walked(subject: FedSubject, case: UpdateCase) -> Walked:
    """Return where a subject goes on a case, or what it raises."""
    try:
        return feed(subject, case, _plan(case)), ""
    except SubjectCrash as crash:
        return None, str(crash)


def _plan(case: UpdateCase) -> Plan:
    """Return the plan of a case, with float64 as torch's default dtype where the case is in it: factors are so too."""
    return replace(case.plan, wide=_in_double(case))


def side_allowances(subject: FedSubject, case: UpdateCase, seen: Sequence[Weights]) -> list[list[float]]:
    """Return how far another correct computation may be from one side, for every step and tensor."""
    return allowances(case, seen, lambda other: feed(subject, other, _plan(other)), 0.0, 0.0)


def is_exact(subject: FedSubject, case: UpdateCase, seen: Sequence[Weights], *, plain: bool) -> bool:
    """Say whether no step of a case rounds, so that ``==`` is asked for."""
    if not plain or case.plan.options:
        return False
    rates = effective_rates(subject, case.plan, subject.start(case.tensors, case.plan))
    return all(
        g is None or is_exact_update(np.asarray(w, dtype=float), np.asarray(g, dtype=float), rate, case.precision)
        for weights, gradients in zip(seen, case.gradients, strict=False)
        for w, g, rate in zip(weights, gradients, rates, strict=True)
    )


def _allowed(pair: Pair, case: UpdateCase, seen: Sequence[Weights], other: Sequence[Weights]) -> Rooms:
    if is_exact(pair.first, case, seen, plain=pair.plain):
        return [[0.0] * len(case.tensors)] * len(seen)
    sides = side_allowances(pair.first, case, seen), side_allowances(pair.second, case, other)
    return [[max(a, b) for a, b in zip(*step, strict=True)] for step in zip(*sides, strict=True)]


def _raised(pair: Pair, first: str, second: str) -> Evidence:
    if first and second:
        return vacuous("both raise")
    raises, steps, said = (pair.first, pair.second, first) if first else (pair.second, pair.first, second)
    return violation(f"{raises.name} raises where {steps.name} steps: {said}")
