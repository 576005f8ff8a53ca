"""The noise floor: how much a correct computation's result moves when its inputs move by one ulp.

It is used for black boxes whose operations cannot be followed. It is measured on gdprops' own computation, in the
subject's dtype, and never on the subject: a faulty noisy subject would excuse itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from gdprops.numerics.blocks import blocks

if TYPE_CHECKING:
    from gdprops.model.arrays import Array


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
