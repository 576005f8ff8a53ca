"""The line in which a backward pass goes wrong: the first value that is no derivative, although those before it are.

Every value that the step assigns is compared with the exact derivative of the loss by the forward pass's values and by
the parameters, up to one factor. For a wrong parameter the derivatives between the loss and it are known: the last one
of them that the code has computed is right, and the next value of its kind is where it goes wrong.

    delta2 = error * out * (1 - out)        # is the derivative by z2
    hidden_error = error @ W2.T             # should be the derivative by a1, and is none: this line
    delta1 = hidden_error * a1 * (1 - a1)   # made of it
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise, takewhile
from typing import TYPE_CHECKING, NamedTuple, final

import numpy as np

from gdprops.explanations.backprop.recorded_values import RETURNED, Value
from gdprops.numerics.decisions import LOSS_FOUND_SHARE

if TYPE_CHECKING:
    from gdprops.explanations.backprop.exact_derivatives import Node
    from gdprops.model.arrays import Array


class Match(NamedTuple):
    """A value that is a derivative, times a factor."""

    at: int
    factor: float


@final
@dataclass(frozen=True)
class Backward:
    """A step as it ran, and the exact derivatives.

    Attributes:
        values: what the lines have assigned, in their order.
        nodes: the values of the forward pass with their derivatives, the last one first.
        gradients: the derivatives by the parameters.
        moved: by how much each parameter has moved, in units of ``-lr``.
        weights: the parameters before and after the step.
        counts: the numbers by which code divides: of rows, of outputs.
        data: the samples.
        rate: the learning rate of the step.
    """

    values: Sequence[Value]
    nodes: Sequence[Node]
    gradients: Mapping[str, Array]
    moved: Mapping[str, Array]
    weights: Mapping[str, tuple[Array, Array]]
    counts: tuple[int, int]
    data: tuple[Array, ...]
    rate: float

    @cached_property
    def forward(self) -> list[Array]:
        """The values of the forward pass, and the parameters."""
        found = [node.value for node in self.nodes if node.value.size > 1]
        return [*found, *(w for both in self.weights.values() for w in both)]

    def match(self, derivative: Array, *, first: int = 0) -> Match | None:
        """Return the first value that is a derivative, from some place on."""
        if not np.abs(derivative).max(initial=0.0) > 0:
            return None
        for k, value in enumerate(self.values[first:], first):
            factor = proportion(value.array, derivative)
            if factor and self.is_usual(factor):
                return Match(k, factor)
        return None

    def is_usual(self, factor: float) -> bool:
        """Say whether code that is right, or forgets to divide, has such a factor: rows, outputs, twos, and a sign."""
        rows, outputs = self.counts
        size = abs(factor)
        products = (two * rows**r * outputs**o for two in (0.5, 1, 2, 4) for r in (-1, 0, 1) for o in (-1, 0, 1))
        return any(abs(size / one - 1) <= LOSS_FOUND_SHARE for one in products)

    @cached_property
    def matched(self) -> float:
        """Which share of the derivatives by values of the forward pass the step has computed."""
        return sum(self.match(n.derivative) is not None for n in self.nodes) / max(1, len(self.nodes))

    def is_forward(self, value: Array) -> bool:
        """Say whether a value is one of the forward pass."""
        return any(_same(value, one) for one in self.forward)

    def is_slope(self, value: Array) -> bool:
        """Say whether a value is the derivative of an activation: the quotient of two derivatives that follow."""
        pairs = (
            (outer.derivative, inner.derivative)
            for inner in self.nodes
            for outer in self.nodes
            if outer.number > inner.number and outer.derivative.shape == inner.derivative.shape == value.shape
        )
        return any(bool(outer.all()) and _same(value * outer, inner) for outer, inner in pairs)


def proportion(value: Array, derivative: Array) -> float:
    """Return the factor by which a value is a derivative, perhaps transposed; 0 where it is none."""
    for turned in (value, value.T):
        if turned.size != derivative.size or _squeezed(turned) != _squeezed(derivative):
            continue
        a, b = turned.ravel(), derivative.ravel()
        if not b.any():
            return 0.0
        factor = float(a @ b / (b @ b))
        if np.isfinite(factor) and np.abs(a - factor * b).max() <= LOSS_FOUND_SHARE * np.abs(a).max(initial=0.0):
            return factor
    return 0.0


def _squeezed(a: Array) -> tuple[int, ...]:
    return tuple(n for n in a.shape if n > 1)


def _same(a: Array, b: Array) -> bool:
    return a.shape == b.shape and bool(np.abs(a - b).max(initial=0.0) <= 1e-6 * np.abs(b).max(initial=0.0))


def wrong_values(
    backward: Backward, name: str, reached: set[int], right: Sequence[str], *, is_missing: bool = False
) -> list[Value]:
    """Return the values at which a parameter goes wrong, the most telling first; none where that cannot be told.

    ``reached``: the numbers of the operations of the forward pass after the parameter; ``right``: the parameters that
    move as they should; ``is_missing``: whether a derivative is known to be left out.
    """
    gradient = backward.gradients[name]
    between = [node for node in backward.nodes if node.number in reached]
    matches = [match for node in between if (match := backward.match(node.derivative)) is not None]
    own = backward.match(gradient)
    if own is not None:
        return _after_gradient(backward, name, own, matches, right)
    at = max((match.at for match in matches), default=_last_output(backward, between))
    if at < 0:
        return []
    shapes = {_squeezed(node.derivative) for node in between} | {_squeezed(gradient), _squeezed(gradient.T)}
    found = _with_inner(list(_next(backward, at, shapes, name, right)))
    first = found or _written(backward, name)
    skipped = _skipped(backward, between, at, first[0], name, is_missing) if first else None
    return first if skipped is None else [skipped]


def _last_output(backward: Backward, between: Sequence[Node]) -> int:
    """Return where the output is assigned last; -1 where it is not. A layer is handed the derivative by its output."""
    out = between[0].value if between else None
    return max((k for k, v in enumerate(backward.values) if out is not None and _same(v.array, out)), default=-1)


def _after_gradient(
    backward: Backward, name: str, own: Match, matches: Sequence[Match], right: Sequence[str]
) -> list[Value]:
    """Return where a parameter goes wrong whose gradient is computed: in its factor, or on the way to the parameter."""
    gradient = backward.gradients[name]
    usual = _usual(backward, right)
    if usual and abs(own.factor / usual - 1) > LOSS_FOUND_SHARE:
        return [backward.values[_jump([*matches, own], own.factor / usual)]]
    moved = 0.0 if usual else proportion(backward.moved[name], gradient)
    if moved and abs(abs(moved / own.factor) - 1) > LOSS_FOUND_SHARE:
        return _where_scaled(backward, name, own, moved)
    if moved:
        alike = [m.at for m in matches if abs(abs(m.factor / own.factor) - 1) <= LOSS_FOUND_SHARE]
        return [backward.values[min([own.at, *alike])]]
    after = [*_next(backward, own.at, {_squeezed(gradient), _squeezed(gradient.T)}, name, right)]
    return after[:1] or _written(backward, name)


def _where_scaled(backward: Backward, name: str, own: Match, moved: float) -> list[Value]:
    """Return where a gradient that was right gets the factor by which its parameter moves: at last where it moves."""
    later = (v for v in backward.values[own.at + 1 :] if abs(moved / backward.rate - 1) > LOSS_FOUND_SHARE)
    factors = ((v, proportion(v.array, backward.gradients[name])) for v in later)
    scaled = [v for v, factor in factors if factor and abs(abs(factor / moved) - 1) <= LOSS_FOUND_SHARE]
    return scaled[:1] or _written(backward, name) or [backward.values[own.at]]


def _jump(matches: Sequence[Match], ratio: float) -> int:
    """Return at which of some values, from the loss to a gradient, a factor comes in that does not belong."""
    for before, now in pairwise(matches):
        if now.at > before.at and abs(now.factor / before.factor / ratio - 1) <= LOSS_FOUND_SHARE:
            return now.at
    return matches[-1].at


def _usual(backward: Backward, right: Sequence[str]) -> float:
    """Return the factor of the gradients of parameters that move as they should; 0 where none is known."""
    found = (backward.match(backward.gradients[name]) for name in right)
    return next((match.factor for match in found if match is not None), 0.0)


def _written(backward: Backward, name: str) -> list[Value]:
    """Return the value by which a parameter gets what it is after the step."""
    return [value for value in backward.values if _is_end(backward, name, value)][:1]


def _is_end(backward: Backward, name: str, value: Value) -> bool:
    """Say whether a value is what a parameter is after the step; what comes after it does not move the parameter."""
    before, end = backward.weights[name]
    return _same(value.array, end) and not _same(before, end)


def _skipped(
    backward: Backward, between: Sequence[Node], at: int, found: Value, name: str, is_missing: bool
) -> Value | None:
    """Return the last value that is right where the derivative after it is left out: a slope that is missing.

    The value that is wrong has the shape of a later derivative then, not of the one that should follow, and is made of
    the right one alone.
    """
    right = backward.values[at]
    inner = [n for n in between if proportion(right.array, n.derivative)]
    following = [n for n in between if inner and n.number < inner[-1].number]
    if not following or _squeezed(following[0].derivative) != _squeezed(right.array):
        return None
    made = backward.moved[name] if _same(found.array, backward.weights[name][1]) else found.array
    if not is_missing and not _is_made_of(backward, made, right.array):
        return None
    position = next(k for k, value in enumerate(backward.values) if value is found)
    alike = [value for value in backward.values[at:position] if _same(value.array, right.array)] or [right]
    read = [value for value in alike if _word(value.target) in found.reads]
    return read[-1] if read else alike[0]


def _is_made_of(backward: Backward, made: Array, right: Array) -> bool:
    """Say whether a gradient is the product of a forward value and another value, or the sum of its rows."""
    if right.ndim != 2:
        return False
    inputs = [*backward.forward, *(v.array for v in backward.values if v.array.ndim == 2), *backward.data]
    products = (a.T @ right for a in inputs if a.ndim == 2 and len(a) == len(right))
    turned = (right @ a.T for a in inputs if a.ndim == 2 and a.shape[-1] == right.shape[-1])
    return any(proportion(made, one) for one in (right.sum(axis=0), right.sum(axis=1), *products, *turned))


def _next(
    backward: Backward, at: int, shapes: set[tuple[int, ...]], name: str, right: Sequence[str]
) -> Iterator[Value]:
    """Yield the values after one that is right, of the shapes that are looked for, that are neither right nor known."""
    usual = _usual(backward, right) or 1.0
    parameters = [(usual * g, backward.weights[n][0]) for n, g in backward.gradients.items()]
    good = [*(node.derivative for node in backward.nodes), *backward.gradients.values()]
    made = {_word(backward.values[at].target)}
    for value in takewhile(lambda v: not _is_end(backward, name, v), backward.values[at + 1 :]):
        small = value.array.size < 2
        if small and (value.target == RETURNED or not made & value.reads or _is_loss(value)):
            continue  # one number where one for every entry belongs is made of what is right
        if not small and (_squeezed(value.array) not in shapes or not np.abs(value.array).max() > 0):
            continue
        if any(backward.is_usual(proportion(value.array, one)) for one in good) or backward.is_forward(value.array):
            continue
        before_penalty = any(_is_before_penalty(value.array, *one) for one in parameters)
        if not before_penalty and not backward.is_slope(value.array):
            yield value


def _is_before_penalty(value: Array, gradient: Array, weight: Array) -> bool:
    """Say whether a gradient is a value and a multiple of the weights: the derivative of a penalty is still to come."""
    if not value.shape == gradient.shape == weight.shape or value.size < 3:
        return False
    columns = np.array([value.ravel(), weight.ravel()]).T
    solved = np.linalg.lstsq(columns, gradient.ravel(), rcond=None)[0]
    left = np.abs(columns @ solved - gradient.ravel()).max(initial=0.0)
    fits = left <= LOSS_FOUND_SHARE * np.abs(gradient).max(initial=0.0)
    return bool(fits and abs(solved[0] - 1) <= LOSS_FOUND_SHARE)


def _word(target: str) -> str:
    """Return the word under which a target is read again: ``self.delta1`` as delta1."""
    return target.partition("[")[0].rpartition(".")[2]


def _is_loss(value: Value) -> bool:
    return any(word in value.target.lower() for word in ("loss", "cost", "err", "acc"))


def _with_inner(found: Sequence[Value]) -> list[Value]:
    """Return the first wrong value; where functions of the user's returned it, the outermost caller's before it."""
    if not found:
        return []
    first = outer = found[0]
    while outer.target == RETURNED and outer.caller:
        calling = next((one for one in found if one.line == outer.caller and one is not outer), None)
        if calling is None or (calling.target == RETURNED and calling.line == calling.caller):
            break
        outer = calling
    return [first] if outer is first else [outer, first]
