"""How far a training step may be from U(w, g, s): 16 noise floors.

A noise floor says how much the rounding of any correct computation may change a displacement. It is measured: weights
and inputs are moved by one ulp, and gdprops computes the update again with its own model. It is never measured on the
user's model, because a faulty noisy subject would then excuse itself. Example: at w = 1 in float64 one ulp is 2.2e-16,
so a parameter whose update does not magnify rounding may be off by about 16 times that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, final, overload

import numpy as np

from gdprops.numerics import decisions
from gdprops.numerics.comparison import alike
from gdprops.numerics.floor import perturbations

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.subject import Gradients

Arrays = Sequence["Array"]
Grads = list["Array | None"]


class ComputedStep(Protocol):
    """What the noise floors of a step are measured on: gradients and updates that gdprops computes itself."""

    def gradients(self, weights: Sequence[Array], t: int, *, shaken: bool = False) -> Grads:
        """Return the gradients of batch t; ``shaken`` moves the inputs by one ulp."""

    def passing_update(self, weights: Sequence[Array], gradients: Gradients, state: Any, settings: Any) -> list[Array]:
        """Return U(w, g, s); the next gradient evaluation or update overwrites these arrays."""

    def dialect(self, weights: Sequence[Array], t: int, state: Any, settings: Any) -> list[Array] | None:
        """Return the update by another legitimate form of the rule, None where there is one only."""


@final
class MeasuredWhenAsked(Sequence[Any]):
    """What is allowed for every parameter, measured when it is first asked for.

    Many clauses never ask: measuring it for a wrong step takes eight further gradients.
    """

    def __init__(self, count: int, measure: Callable[[], Sequence[Any]]) -> None:
        self._count, self._measure = count, measure
        self._found: Sequence[Any] | None = None

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, i: int) -> Any: ...
    @overload
    def __getitem__(self, i: slice) -> Sequence[Any]: ...
    def __getitem__(self, i: int | slice) -> Any:
        self._found = self._measure() if self._found is None else self._found
        return self._found[i]


def noise_floors(
    run: ComputedStep,
    t: int,
    before: Arrays,
    after: Arrays,
    expected: Arrays,
    gradients: Grads,
    state: Any,
    settings: Any,
) -> list[Any]:
    """Return what is allowed for every parameter: 16 noise floors.

    A floor has two parts: how far the displacement changes when weights and inputs move by one ulp, and one ulp of the
    largest of |w| before the step, |w| after it, and a tenth of |g|. If the step is off by less than 16 of these ulps,
    it is right whatever the first part is, which is then not measured. Otherwise up to eight perturbations are tried,
    until the step is within the floors: in a single one, two terms that cancel may move alike.
    """
    sizes = zip(before, expected, gradients, strict=True)
    found: list[Any] = [decisions.FLOORS_PER_TENSOR * _ulp(b, e, g) for b, e, g in sizes]
    if _are_within(after, expected, found):
        return found
    other = run.dialect(before, t, state, settings)
    least = found if other is None else [r + np.abs(o - e) for r, o, e in zip(found, other, expected, strict=True)]
    rng, floors = np.random.default_rng(t), [0.0] * len(found)
    for shaken in perturbations(before, rng, decisions.PERTURBATIONS):
        nudged = run.passing_update(shaken, run.gradients(shaken, t, shaken=True), state, settings)
        moved = (_apart(*each) for each in zip(nudged, shaken, expected, before, strict=True))
        floors = [max(f, m) for f, m in zip(floors, moved, strict=True)]
        found = [r + decisions.FLOORS_PER_TENSOR * f for r, f in zip(least, floors, strict=True)]
        if _are_within(after, expected, found):
            break
    return found


def _are_within(after: Arrays, expected: Arrays, found: Sequence[Any]) -> bool:
    return all(_is_within(a, e, room) for a, e, room in zip(after, expected, found, strict=True))


def _is_within(a: Array, e: Array, room: Any) -> bool:
    return alike(a, e) or bool((np.abs(a - e) <= room).all())


def _apart(nudged: Array, shaken: Array, plain: Array, before: Array) -> float:
    with np.errstate(invalid="ignore"):
        return float(np.abs((nudged - shaken) - (plain - before)).max(initial=0.0))


def _ulp(w: Array, end: Array, g: Array | None) -> float:
    pull = 0.0 if g is None else decisions.GRADIENT_SHARE * _largest(g)
    return float(np.spacing(w.dtype.type(max(_largest(w), _largest(end), pull))))


def _largest(values: Array) -> float:
    """Return the largest absolute value, without a temporary array as large."""
    return max(float(values.max(initial=0.0)), -float(values.min(initial=0.0)))
