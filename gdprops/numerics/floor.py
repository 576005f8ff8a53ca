"""The noise floor: how much a correct computation's result moves when its inputs move by one ulp.

It is used for black boxes whose operations cannot be followed. It is measured on gdprops' own computation, in the
subject's dtype, and never on the subject: a faulty noisy subject would excuse itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from gdprops.numerics.blocks import BLOCK, blocks

if TYPE_CHECKING:
    from gdprops.model.arrays import Array


def perturbed(arrays: Sequence[Array], rng: np.random.Generator) -> list[Array]:
    """Move every float entry up or down by one ulp of max(|x|, mean|x|), because one ulp of a zero moves nothing."""
    return list(perturbed_one_by_one(arrays, rng))


def perturbations(arrays: Sequence[Array], rng: np.random.Generator, count: int) -> Iterator[list[Array]]:
    """Yield what so many calls of `perturbed` return; how far a small array's entries move is computed once."""
    steps = [_ulps(x) if _is_small(x) else None for x in arrays]
    for _ in range(count):
        yield [
            _moved(x, rng) if step is None else np.asarray(x + _signs(x, rng) * step)
            for x, step in zip(arrays, steps, strict=True)
        ]


def perturbed_one_by_one(arrays: Sequence[Array], rng: np.random.Generator) -> Iterator[Array]:
    """Yield the arrays that `perturbed` returns, one by one, so that a large model is not held once more."""
    return (_moved(x, rng) for x in arrays)


def _is_small(x: Array) -> bool:
    return x.dtype.kind == "f" and 0 < x.size <= BLOCK


def _moved(x: Array, rng: np.random.Generator) -> Array:
    if x.dtype.kind != "f" or x.size == 0:
        return x
    return np.asarray(x + _signs(x, rng) * _ulps(x)) if _is_small(x) else _moved_in_pieces(x, rng)


def _ulps(x: Array) -> Array:
    size = np.abs(x)
    found: Array = np.spacing(np.maximum(size, x.dtype.type(float(size.sum(dtype=x.dtype)) / x.size)))
    return found


def _moved_in_pieces(x: Array, rng: np.random.Generator) -> Array:
    least = x.dtype.type(sum(float(np.abs(part).sum(dtype=x.dtype)) for (part,) in blocks(x)) / x.size)
    found = np.array(x)
    for part, out in blocks(x, found):
        np.add(part, _signs(part, rng) * np.spacing(np.maximum(np.abs(part), least)), out=out)
    return found


def _signs(x: Array, rng: np.random.Generator) -> Array:
    """Return 1 or -1 for every entry, one random bit each."""
    bits = np.frombuffer(rng.bytes(-(-x.size // 8)), np.uint8)
    return np.asarray(np.unpackbits(bits, count=x.size).reshape(x.shape).astype(x.dtype) * 2 - 1)
