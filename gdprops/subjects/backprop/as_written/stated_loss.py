"""The loss that a class computes in a method of its own: where it decides, beside the losses that training may descend.

A loss that fits how every parameter moves is that which training descends, and the method may compute something else
to be printed. The method decides where no usual loss fits: if training is right by it, or if the output weights move
by their inputs times an error at the output that is not this loss's, or exactly as it says, or so but for a part of its
penalty. And it decides about a penalty: where both have one and all but the penalties is the same, that of the method
is meant.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from gdprops.numerics.decisions import LOSS_FOUND_SHARE
from gdprops.subjects.backprop.as_written.found_loss import (
    OWN,
    Fit,
    factors_of,
    loss_of,
    output_matrix,
    own_factors,
    own_fit,
    own_gradient,
)
from gdprops.subjects.backprop.as_written.observations import RATE, copies, observed_once
from gdprops.subjects.user_code.quiet import quiet

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.subjects.backprop.as_written.observations import Seen
    from gdprops.subjects.backprop.as_written.reading import Reading


def with_stated(reading: Reading, seen: Sequence[Seen], best: Fit | None) -> tuple[Reading, Fit | None]:
    """Return the reading and the fit with the loss that the code computes, where that decides; else as they are.

    A loss that the reading has already, such as a function beside those that train, decides about a penalty alone.
    """
    whole = best is not None and best.is_whole and best.loss is not OWN
    beside = reading.stated is not None and reading.loss is None and reading.step is not None
    if not beside and not (whole and reading.loss is not None):
        return reading, best
    stated = replace(reading, loss=reading.loss or reading.stated)
    try:
        with quiet(), np.errstate(all="ignore"):
            if best is not None and best.is_whole:
                decides = bool(best.penalty) and _has_another_penalty(reading, stated, seen, best)
                return (stated, own_fit(stated, seen)) if decides else (reading, best)
            own = own_fit(stated, seen)
            undecided = best is None or not best.decides
            if own.is_whole or (undecided and _is_of_the_output(stated, seen, own)):
                return stated, own
    except Exception:  # the user's code, in situations that it may not be meant for
        return reading, best
    return reading, best


def _is_of_the_output(reading: Reading, seen: Sequence[Seen], own: Fit) -> bool:
    """Say whether the output matrix shows that the loss is meant: what becomes of the other parameters is then judged.

    It moves as the loss says, or so but for less of its penalty, or by the same inputs times another error.
    """
    matrix = output_matrix(reading, seen[0])
    if matrix in own.right and any(one.moved[matrix].any() for one in seen):
        return True
    return _has_less_of_its_penalty(reading, seen, matrix) or _moves_by_another_error(reading, seen)


def _has_less_of_its_penalty(reading: Reading, seen: Sequence[Seen], matrix: str) -> bool:
    """Say whether a matrix moves as the loss says, plus a share of itself: a part of the loss's penalty is missing.

    A decay that comes to the loss from outside is a choice; it takes a share of the weights away.
    """
    factors = own_factors(reading, seen, matrix, grows=True)
    return factors is not None and abs(factors[0] - RATE) <= LOSS_FOUND_SHARE * RATE


def _moves_by_another_error(reading: Reading, seen: Sequence[Seen]) -> bool:
    """Say whether one sample moves the output matrix by its inputs times an error that is not that of the loss.

    The inputs are known from the loss's own gradient, which is their product with an error too. Rules that divide or
    take signs, such as Adam, move along something else; a common factor is no other error. Where the loss of a single
    sample is constant, and that of several is not (a softmax over the samples), whatever moves but a decay is another.
    """
    found = observed_once(reading)
    matrix = output_matrix(reading, found)
    moved, own = found.moved[matrix], -RATE * own_gradient(reading, found)[matrix]
    n_out = found.output.shape[1]
    if moved.ndim != 2 or moved.shape.count(n_out) != 1 or not moved.any():
        return False
    if not own.any():
        decays = factors_of(moved, found.params[matrix], found.params[matrix], False) is not None
        return not decays and bool(own_gradient(reading, seen[0])[matrix].any())
    if moved.shape[0] == n_out:
        moved, own = moved.T, own.T
    inputs = np.linalg.svd(own)[0][:, :1]
    sizes = np.sort(np.abs(inputs.ravel()))
    if sizes[-2] <= LOSS_FOUND_SHARE or sizes[-1] - sizes[-2] <= LOSS_FOUND_SHARE:
        return False  # inputs that all are as large, or zero, do not show whether they were divided by their size
    largest = float(np.abs(moved).max())
    if np.abs(inputs @ (inputs.T @ moved) - moved).max() > LOSS_FOUND_SHARE * largest:
        return False
    factor = float((own * moved).sum() / (own * own).sum())
    return bool(np.abs(factor * own - moved).max() > LOSS_FOUND_SHARE * largest)


def _has_another_penalty(reading: Reading, stated: Reading, seen: Sequence[Seen], fit: Fit) -> bool:
    """Say whether the method's loss is that of the training but for their penalties, both having one."""
    assert stated.loss is not None
    bare = loss_of(fit._replace(penalty=0.0), reading, RATE)
    whole = loss_of(fit, reading, RATE)
    for one in seen[:2]:
        own, data, trained = [], [], []
        for params, (x, y) in _situations(one):
            own.append(float(stated.loss(copies(params), x, y)))
            data.append(float(bare(copies(params), x, y)))
            trained.append(float(whole(copies(params), x, y)))
        same_data = [(a - b, c - d) for (a, b), (c, d) in zip(_pairs(own), _pairs(data), strict=True)]
        if any(not _near(a, b) for a, b in same_data):
            return False
        penalty = [o - d for o, d in zip(own[::2], data[::2], strict=True)]
        descended = [t - d for t, d in zip(trained[::2], data[::2], strict=True)]
        if _near(penalty[0], penalty[1]) or _near(penalty[0] - penalty[1], descended[0] - descended[1]):
            return False
    return True


def _situations(one: Seen) -> Iterator[tuple[Mapping[str, Array], tuple[Array, Array]]]:
    """Yield two sets of weights, each with two batches of the same targets, half as large in the second."""
    for share in (1.0, 0.5):
        for part in (1.0, 0.5):
            yield {name: share * w for name, w in one.params.items()}, (part * one.x, one.y)


def _pairs(values: Sequence[float]) -> list[tuple[float, float]]:
    return [pair for k, pair in enumerate(pairwise(values)) if k % 2 == 0]


def _near(a: float, b: float) -> bool:
    return abs(a - b) <= LOSS_FOUND_SHARE * max(abs(a), abs(b))
