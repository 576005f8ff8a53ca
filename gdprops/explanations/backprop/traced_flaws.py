"""Backward passes with one mistake, on any network: the user's own loss, followed operation by operation.

No network need be recognized. One operation of the loss (all calls of one place: every time step, every layer of a
loop) answers to its inputs as a backward pass with the mistake would have it: not at all (a mean that is held fixed),
through a matrix instead of its transpose, with a derivative left out. The differences of that loss are then the
gradient that the mistake gives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Any, final

import numpy as np

from gdprops.errors import GdpropsError
from gdprops.explanations.backprop.choice_flaws import in_choices
from gdprops.explanations.backprop.operand_flaws import Mistake, in_operands, lines
from gdprops.subjects.backprop.traced_loss import Change, Operation, Place, TracedLoss

if TYPE_CHECKING:
    from gdprops.clauses.support.watched_step import Watched
    from gdprops.model.arrays import Array

STATISTICS = ("mean", "var", "std", "sum", "max", "min", "norm", "average", "median")
"""What takes many numbers to one: batch statistics, the largest entry, a norm."""
PRODUCTS = ("matmul", "dot")
MOST_STATISTICS, MOST_OPERATIONS = 7, 50
"""So many places are tried in pairs, and so many alone."""


@final
@dataclass(slots=True)
class TracedFlaws:
    """The user's loss at the weights of some steps, and the gradients that mistakes in it give there."""

    losses: dict[int, TracedLoss] = field(default_factory=dict)
    found: dict[tuple[int, str], list[Array] | None] = field(default_factory=dict)

    def mistakes(self, step: Watched) -> Iterator[list[Mistake]]:
        """Yield the mistakes that can be made in the loss of a step, those that are made most often first."""
        operations = self._loss(step).operations if self._is_followed(step) else []
        by_place = {one.place: one for one in operations}
        yield [m for one in by_place.values() for m in (*_in_product(one), *_in_slope(one), *_in_ties(one))]
        statistics = [place for place in by_place if place.name in STATISTICS]
        yield [_held([place]) for place in statistics[:MOST_OPERATIONS]]
        yield [_held(pair) for pair in combinations(statistics[:MOST_STATISTICS], 2)]
        yield [_held([place]) for place in list(by_place)[:MOST_OPERATIONS] if place not in statistics]
        several = list(by_place.values())[:MOST_OPERATIONS]
        yield [m for one in several for m in (*in_operands(one), *in_choices(one))]

    def held_fixed(self, step: Watched) -> Iterator[tuple[Operation, Mistake]]:
        """Yield the places of the loss of a step, and the mistake that nothing goes back through them."""
        operations = self._loss(step).operations if self._is_followed(step) else []
        for one in list({one.place: one for one in operations}.values())[:MOST_OPERATIONS]:
            if any(origin is not None for origin in one.origins):
                yield one, _held([one.place])

    def gradient(self, step: Watched, i: int, mistake: Mistake) -> Array | None:
        """Return parameter i's gradient under a mistake, None where the loss cannot be followed."""
        key = id(step), mistake.text
        if key not in self.found:
            self.found[key] = self._derivative(step, mistake)
        found = self.found[key]
        return None if found is None else found[i]

    def _derivative(self, step: Watched, mistake: Mistake) -> list[Array] | None:
        if not self._is_followed(step):
            return None
        try:
            with np.errstate(all="ignore"):
                return self._loss(step).derivative(mistake.changes)
        except Exception:  # the user's code, on numbers that it would not meet
            return None

    def _is_followed(self, step: Watched) -> bool:
        """Say whether the loss gives what it gives when it is not followed.

        It is evaluated so first: objects that a loss makes once and keeps must not be made of arrays that are followed.
        """
        try:
            bare = step.loss(step.before)
            value = self._loss(step).value
        except GdpropsError:
            return False
        return bool(np.isclose(value, bare, rtol=1e-9, atol=1e-12))

    def _loss(self, step: Watched) -> TracedLoss:
        if id(step) not in self.losses:
            run: Any = step.run
            self.losses[id(step)] = run.traced_loss(step.before, step.batch)
        return self.losses[id(step)]


def _held(places: Sequence[Place]) -> Mistake:
    names, where = " and ".join(place.name for place in places), lines(places)
    told = "is taken for a constant" if len(places) == 1 else "are taken for constants"
    return Mistake(f"{names} ({where}) {told}", dict.fromkeys(places, _kept))


def _kept(recorded: Operation, inputs: Sequence[Any], result: Any) -> Any:
    return recorded.result


def _in_product(one: Operation) -> Iterator[Mistake]:
    """Yield "back through the matrix and not its transpose", for a square matrix on either side."""
    if one.place.name not in PRODUCTS or len(one.inputs) < 2:
        return
    left, right = (np.asarray(x) for x in one.inputs[:2])
    for k, (matrix, other) in enumerate(((left, right), (right, left))):
        if (
            matrix.ndim == 2
            and matrix.shape[0] == matrix.shape[1]
            and other.ndim in (1, 2)
            and one.origins[1 - k] is not None
        ):
            name = one.origins[k] if isinstance(one.origins[k], str) else "the matrix"
            text = f"the error goes back through {name} instead of its transpose ({lines([one.place])})"
            yield Mistake(text, {one.place: _straight_left if k == 0 else _straight_right})


def _straight_left(recorded: Operation, inputs: Sequence[Any], result: Any) -> Any:
    (w0, h0), (w, h) = recorded.inputs[:2], inputs[:2]
    return recorded.result + (w - w0) @ h0 + np.swapaxes(w0, 0, 1) @ (h - h0) if _is_square(w0) else result


def _straight_right(recorded: Operation, inputs: Sequence[Any], result: Any) -> Any:
    (h0, w0), (h, w) = recorded.inputs[:2], inputs[:2]
    return recorded.result + h0 @ (w - w0) + (h - h0) @ np.swapaxes(w0, 0, 1) if _is_square(w0) else result


def _is_square(w: Any) -> bool:
    return np.ndim(w) == 2 and np.shape(w)[0] == np.shape(w)[1]


def _in_ties(one: Operation) -> Iterator[Mistake]:
    if one.place.name in ("max", "min"):
        what = f"{one.place.name} ({lines([one.place])})"
        told = f"wrong only where entries tie: {what} hands the error to each of them, not to one"
        yield Mistake(told, {one.place: _to_all_ties})


def _to_all_ties(recorded: Operation, inputs: Sequence[Any], result: Any) -> Any:
    x0 = np.asarray(recorded.inputs[0])
    axis = recorded.options.get("axis", recorded.inputs[1] if len(recorded.inputs) > 1 else None)
    reduced = np.min if recorded.place.name == "min" else np.max
    ties = x0 == reduced(x0, axis=axis, keepdims=True)
    moved = (ties * (np.asarray(inputs[0]) - x0)).sum(axis=axis)
    return recorded.result + moved.reshape(np.shape(recorded.result))


Slope = Callable[["Array", "Array"], "Array"]
MISSING = "the derivative of {act} is missing"
SLOPES: dict[str, tuple[tuple[str, Slope], ...]] = {
    "tanh": (
        (MISSING, lambda z, h: np.ones_like(z)),
        ("the derivative of {act} is taken at h = f(z) instead of at z", lambda z, h: 1 - np.tanh(h) ** 2),
        ("the derivative of {act} is written as a formula in h = f(z), and is given z", lambda z, h: 1 - z**2),
        ("the derivative of {act} enters twice", lambda z, h: (1 - h**2) ** 2),
        ("1 - h stands where the derivative of h ({act}) should", lambda z, h: 1 - h),
        ("{act} itself stands where its derivative should", lambda z, h: h),
    ),
    **{name: ((MISSING, lambda z, h: np.ones_like(z)),) for name in ("exp", "sqrt", "log", "square", "absolute")},
}


def _in_slope(one: Operation) -> Iterator[Mistake]:
    """Yield a wrong derivative of one function of one input."""
    if one.place.name == "maximum" and len(one.inputs) == 2 and np.ndim(one.inputs[0]) * np.ndim(one.inputs[1]) == 0:
        k = 0 if np.ndim(one.inputs[0]) else 1
        text = MISSING.format(act=f"the rectifier ({lines([one.place])})")
        yield Mistake(text, {one.place: _sloped(lambda z, h: np.ones_like(z), k)})
    for text, slope in SLOPES.get(one.place.name, ()) if len(one.inputs) == 1 else ():
        yield Mistake(text.format(act=f"{one.place.name} ({lines([one.place])})"), {one.place: _sloped(slope, 0)})


def _sloped(slope: Slope, k: int) -> Change:
    def change(recorded: Operation, inputs: Sequence[Any], result: Any) -> Any:
        z0, h0 = np.asarray(recorded.inputs[k]), np.asarray(recorded.result)
        return h0 + slope(z0, h0) * (np.asarray(inputs[k]) - z0)

    return change
