"""Comparison that returns evidence: the worst entry, how far it is off, and against which bound."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from gdprops.model.evidence import Evidence, Location, vacuous
from gdprops.numerics.blocks import blocks
from gdprops.numerics.decisions import RIVAL_SHARE
from gdprops.numerics.shown_arrays import shown

if TYPE_CHECKING:
    from gdprops.model.arrays import Array

Arrays = Sequence[Any]
Allowed = Sequence[Any] | float
BLURRED = "the wrong results that would refute the clause differ too little from the right one"


def compare(
    seen: Arrays,
    expected: Arrays,
    *,
    names: Sequence[str],
    allowed: Allowed = 0.0,
    start: Arrays | None = None,
    rivals: Iterable[Arrays] = (),
    step: int | None = None,
    what: str = "",
) -> Evidence:
    """Compare arrays entry by entry: violated where |seen - expected| > allowed, or where only seen is not finite.

    ``allowed`` 0 is ``==``. ``start`` are the weights that a displacement is measured from. Each of ``rivals`` is a
    wrong result that the clause is there to refute: the example is decisive when all of them are distinguishable
    (without rivals: always). A non-finite expected result is vacuous.
    """
    bounds = _bounds(allowed, expected)
    if not all(_finite(e) for e in expected):
        return vacuous("the expected result is not finite")
    wrong = [_wrong(s, e, a) for s, e, a in zip(seen, expected, bounds, strict=True)]
    ratio = _worst_ratio(seen, expected, bounds)
    blame = tuple(name for name, w in zip(names, wrong, strict=True) if w.any())
    if blame:
        location = _locate(seen, expected, bounds, wrong, names, start, step)
        return Evidence(True, True, ratio, location, blame, what, compared=shown(seen, expected, names, blame, start))
    blurred = any(not _distinguishable(rival, expected, bounds) for rival in rivals)
    return Evidence(decisive=not blurred, ratio=ratio, reason=BLURRED if blurred else "")


def same_bytes(
    seen: Sequence[Array], expected: Sequence[Array], *, names: Sequence[str], what: str, step: int | None = None
) -> Evidence:
    """Compare arrays byte by byte: NaN, -0.0, shape and dtype count."""
    differing = [
        i
        for i, (s, e) in enumerate(zip(seen, expected, strict=True))
        if s.shape != e.shape or s.dtype != e.dtype or s.tobytes() != e.tobytes()
    ]
    if not differing:
        return Evidence()
    i = differing[0]
    blame = tuple(names[k] for k in differing)
    if seen[i].shape != expected[i].shape or seen[i].dtype != expected[i].dtype:
        form = f"{seen[i].dtype}{seen[i].shape} instead of {expected[i].dtype}{expected[i].shape}"
        return Evidence(True, True, None, None, blame, f"{what}: {names[i]} is {form}")
    wrong = [_bits_differ(s, e) for s, e in zip(seen, expected, strict=True)]
    zeros = [np.zeros(e.shape) for e in expected]
    location = _locate(seen, expected, zeros, wrong, names, None, step)
    return Evidence(True, True, None, location, blame, what, compared=shown(seen, expected, names, blame, None))


def is_clearly_other(rival: Arrays, expected: Arrays, allowed: Sequence[Any]) -> bool:
    """Say whether a rival differs from what is expected by at least twice what is allowed, in any entry."""
    return _distinguishable(rival, expected, allowed)


def alike(a: Array, b: Array) -> bool:
    """Say whether two arrays are equal entry by entry: a cheap check, and usually enough."""
    return a is b or np.array_equal(a, b)


def differ(a: Arrays, b: Arrays) -> bool:
    """Say whether any entry differs (-0.0 equals 0.0)."""
    return any((np.asarray(x) != np.asarray(y)).any() for x, y in zip(a, b, strict=True))


def are_finite(arrays: Iterable[Array]) -> bool:
    """Say whether every entry is finite."""
    return all(bool(np.isfinite(a).all()) for a in arrays)


def has_finite_norm(gradients: Iterable[Array | None]) -> bool:
    """Say whether the squares of all gradients add up to a finite number, in the gradients' own dtype."""
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(sum(np.square(g).sum() for g in gradients if g is not None)))


def _bits_differ(a: Array, b: Array) -> Array:
    raw = f"u{a.dtype.itemsize}"
    return np.asarray(np.ascontiguousarray(a).view(raw) != np.ascontiguousarray(b).view(raw)).reshape(a.shape)


def _bounds(allowed: Allowed, expected: Arrays) -> list[Any]:
    if isinstance(allowed, (int, float)):
        return [allowed] * len(expected)
    return list(allowed)


def _finite(values: Any) -> bool:
    array = np.asarray(values)
    return array.dtype == object or bool(np.isfinite(array).all())


def _difference(seen: Any, expected: Any) -> Array:
    with np.errstate(invalid="ignore", over="ignore"):
        off = np.abs(np.asarray(seen) - np.asarray(expected))
    return off if off.dtype == object else np.where(np.isnan(off), np.inf, off)


def _wrong(seen: Any, expected: Any, allowed: Any) -> Array:
    if np.shape(seen) != np.shape(expected):
        return np.ones(1, dtype=bool)
    if alike(seen, expected):
        return np.zeros(1, dtype=bool)
    return np.asarray(_difference(seen, expected) > allowed)


def _worst_ratio(seen: Arrays, expected: Arrays, bounds: Sequence[Any]) -> float | None:
    """Return the largest difference / allowed difference over the entries with a bound, None where all was exact."""
    found: list[float] = []
    for s, e, a in zip(seen, expected, bounds, strict=True):
        if np.shape(s) != np.shape(e) or not np.any(a):
            continue
        if alike(s, e):
            found.append(0.0)
            continue
        off, bound = _difference(s, e).astype(float), np.broadcast_to(np.asarray(a, dtype=float), np.shape(e))
        rounded = bound > 0
        if rounded.any():
            found.append(float((off[rounded] / bound[rounded]).max()))
    return max(found, default=None)


def _distinguishable(rival: Arrays, expected: Arrays, bounds: Sequence[Any]) -> bool:
    return any(map(_apart, rival, expected, bounds))


def _apart(rival: Any, expected: Any, bound: Any) -> bool:
    """Say whether any entry differs by at least twice what is allowed for it."""
    for r, e, a in blocks(np.asarray(rival), np.asarray(expected), np.asarray(bound)):
        distance = _difference(r, e)
        if ((distance > 0) & (a <= RIVAL_SHARE * distance)).any():
            return True
    return False


def _locate(
    seen: Arrays,
    expected: Arrays,
    bounds: Sequence[Any],
    wrong: Sequence[Array],
    names: Sequence[str],
    start: Arrays | None,
    step: int | None,
) -> Location:
    i = next(k for k, w in enumerate(wrong) if w.any())
    s, e = np.asarray(seen[i]), np.asarray(expected[i])
    if s.shape != e.shape:
        return Location(names[i], (), step, f"shape {s.shape}", f"shape {e.shape}", float("nan"), None, 0.0)
    off = _difference(s, e).astype(float)
    worst = int(np.argmax(np.where(wrong[i], off, -1.0)))
    index = tuple(int(k) for k in np.unravel_index(worst, e.shape)) if e.shape else ()
    moved = None if start is None else abs(float(e[index]) - float(np.asarray(start[i])[index]))
    relative = float(off[index]) / moved if moved else None
    allowed = float(np.broadcast_to(np.asarray(bounds[i], dtype=float), e.shape)[index])
    return Location(names[i], index, step, _show(s[index]), _show(e[index]), float(off[index]), relative, allowed)


def _show(value: Any) -> str:
    return str(value) if isinstance(value, (int, str, Fraction)) else repr(float(value))
