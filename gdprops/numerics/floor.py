"""The noise floor: how much a correct computation's result moves when its inputs move by one ulp.

It is used for black boxes whose operations cannot be followed. It is measured on gdprops' own computation, in the
subject's dtype, and never on the subject: a faulty noisy subject would excuse itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from gdprops.numerics.blocks import blocks
from gdprops.numerics.decisions import FLOORS_IN_MAXIMUM_NORM, PERTURBATIONS

if TYPE_CHECKING:
    from gdprops.model.arrays import Array

Oracle = Callable[[Sequence["Array"]], Sequence["Array"]]


def perturbed(arrays: Sequence[Array], rng: np.random.Generator) -> list[Array]:
    """Move every float entry up or down by one ulp of max(|x|, mean|x|), because one ulp of a zero moves nothing."""
    return list(perturbed_one_by_one(arrays, rng))


def perturbed_one_by_one(arrays: Sequence[Array], rng: np.random.Generator) -> Iterator[Array]:
    """Yield the arrays that `perturbed` returns, one by one, so that a large model is not held once more."""
    return (_jitter(x, rng) if x.dtype.kind == "f" else x for x in arrays)


def _jitter(x: Array, rng: np.random.Generator) -> Array:
    if x.size == 0:
        return x
    least = x.dtype.type(sum(float(np.abs(part).sum(dtype=x.dtype)) for (part,) in blocks(x)) / x.size)
    found = np.array(x)
    for part, out in blocks(x, found):
        np.add(part, _signs(part, rng) * np.spacing(np.maximum(np.abs(part), least)), out=out)
    return found


def _signs(x: Array, rng: np.random.Generator) -> Array:
    """Return 1 or -1 for every entry, one random bit each."""
    bits = np.frombuffer(rng.bytes(-(-x.size // 8)), np.uint8)
    return np.asarray(np.unpackbits(bits, count=x.size).reshape(x.shape).astype(x.dtype) * 2 - 1)


def maximum_norm_floor(oracle: Oracle, inputs: Sequence[Array], *, seed: int = 0) -> float:
    """Return what two correct computations may differ by, in the maximum norm over all outputs.

    Four times (the largest of 8 perturbations + one ulp of the largest output).
    """
    rng = np.random.default_rng(seed)
    expected = oracle(inputs)
    moved = [_distance(oracle(perturbed(inputs, rng)), expected) for _ in range(PERTURBATIONS)]
    largest = max((float(np.abs(e).max(initial=0)) for e in expected), default=0.0)
    dtype = next((e.dtype for e in expected if e.dtype.kind == "f"), np.dtype(np.float64))
    return FLOORS_IN_MAXIMUM_NORM * (max(moved) + float(np.spacing(dtype.type(largest))))


def _distance(a: Sequence[Array], b: Sequence[Array]) -> float:
    return max((float(np.abs(x - y).max(initial=0)) for x, y in zip(a, b, strict=True)), default=0.0)
