"""The loss that a network descends, found in how its parameters move.

A network without a loss is run on a few batches, in which the numbers of rows and outputs differ. With the derivatives
of its outputs, which are measured, every candidate loss says how the parameters should move: a candidate that says it
for all of them is the loss. Else the output matrix alone decides which loss is meant, and everything else is judged
under that; not a bias, which an unknown penalty leaves alone.
Example: where W2 moves by -lr hᵀ(o - y) o (1 - o) the loss is ½Σ(o - y)², whatever becomes of W1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gdprops.numerics.decisions import LOSS_FOUND_SHARE
from gdprops.subjects.backprop.as_written.candidate_losses import (
    CANDIDATES,
    DIVIDED_TWICE,
    SCALES,
    CandidateLoss,
    Scale,
)
from gdprops.subjects.backprop.as_written.merged_biases import weights_alone
from gdprops.subjects.backprop.as_written.observations import NUDGE, RATE, Seen, copies
from gdprops.subjects.backprop.as_written.questions import Question, questions
from gdprops.subjects.user_code.quiet import quiet

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.subjects.backprop.as_written.reading import Reading


class Fit(NamedTuple):
    """How a loss fits: its factor and scale, a penalty, which parameters move as it says, and what else is assumed."""

    loss: CandidateLoss
    scale: Scale
    factor: float
    penalty: float
    penalty_on_all: bool
    penalty_scale: Scale
    right: frozenset[str]
    matrix: str
    names: tuple[str, ...]
    question: Question | None = None
    is_known: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether every parameter moves as the loss says."""
        return len(self.right) == len(self.names)

    @property
    def decides(self) -> bool:
        """Whether the output matrix moves as the loss says."""
        return self.loss is OWN or self.is_known or self.matrix in self.right


def output_matrix(reading: Reading, seen: Seen) -> str:
    """Return the name of the last matrix of which a size is the number of outputs."""
    n_out = seen.output.shape[1]
    matrices = [name for name, w in seen.params.items() if w.ndim > 1 and max(w.shape) > 1 and min(w.shape) >= 1]
    matrices = [
        n for n in matrices if n_out in seen.params[n].shape and not _is_row(seen.params[n].shape, n_out)
    ] or matrices
    largest = [name for name, w in seen.params.items() if w.size > 1]
    weights = [name for name, w in seen.params.items() if is_penalized(name, w)]
    return (matrices or largest or weights or list(seen.params))[-1]


def _is_row(shape: tuple[int, ...], n_out: int) -> bool:
    """Say whether a matrix is a bias: one row or column, as long as there are outputs."""
    return n_out > 1 and sorted(shape) == [1, n_out]


def fits(reading: Reading, seen: Sequence[Seen], *, asked: bool = False) -> Iterator[Fit]:
    """Yield how every candidate fits what was seen; ``asked``: under the known faults of the error at the output."""
    matrix = output_matrix(reading, seen[0])
    for loss in CANDIDATES:
        if not all(loss.fits(one.output, reading.outputs_are or reading.targets) for one in seen):
            continue
        for question in questions(seen) if asked else (None,):
            slopes = [loss.slope(one.output, one.targets) for one in seen]
            if question is not None:
                slopes = [question.change(s, one.output) for s, one in zip(slopes, seen, strict=True)]
            gradients = [one.gradient(s) for one, s in zip(seen, slopes, strict=True)]
            fit = _fit(loss, seen, gradients, matrix, question)
            if fit is None and question is None:
                fit = _fit_of_weights(loss, seen, gradients, matrix)
            if fit is not None:
                yield fit


def _fit(
    loss: CandidateLoss,
    seen: Sequence[Seen],
    gradients: Sequence[Mapping[str, Array]],
    matrix: str,
    question: Question | None,
) -> Fit | None:
    """Return how a loss fits with the factor and the penalty that the output matrix shows."""
    names = tuple(seen[0].params)
    for with_penalty in (False, True):
        told = [k for k, one in enumerate(seen) if one.moved[matrix].any() or gradients[k][matrix].any()]
        if with_penalty:  # two numbers fit any two factors: what they say is only compared with the other batches
            told = [k for k in told if seen[k].moved[matrix].size > 2]
        shown = [
            factors_of(seen[k].moved[matrix], gradients[k][matrix], seen[k].params[matrix], with_penalty) for k in told
        ]
        pairs = [pair for pair in shown if pair is not None]
        if not pairs or len(pairs) < len(shown):
            continue
        scales = DIVIDED_TWICE if question is not None and question.divided_twice else SCALES
        scaled = _scaled([p[0] for p in pairs], [seen[k] for k in told], scales)
        if scaled is None or (scaled[1] < 0) != (question is not None and question.turned):
            continue
        scale, factor = scaled
        penalized = _scaled([p[1] for p in pairs], [seen[k] for k in told]) if with_penalty else (Scale(0, 0), 0.0)
        if penalized is None or (with_penalty and penalized[1] <= 0):
            continue
        found = [
            _right(seen, gradients, scale, factor, penalized, on_all)
            for on_all in ((False, True) if with_penalty else (False,))
        ]
        best = max(range(len(found)), key=lambda k: len(found[k]))
        return Fit(loss, scale, factor, penalized[1], best == 1, penalized[0], found[best], matrix, names, question)
    return None


def _fit_of_weights(
    loss: CandidateLoss, seen: Sequence[Seen], gradients: Sequence[Mapping[str, Array]], matrix: str
) -> Fit | None:
    """Return how a loss fits with the factor that the output matrix shows but for the biases which it holds.

    A penalty may spare the biases, so none is looked for.
    """
    names, none = tuple(seen[0].params), (Scale(0, 0), 0.0)
    shapes, outputs = [one.params[matrix].shape for one in seen], [one.output.shape[1] for one in seen]
    for every in weights_alone(shapes, outputs):
        pairs = [
            factors_of(one.moved[matrix][kept], g[matrix][kept], one.params[matrix][kept], False)
            for one, g, kept in zip(seen, gradients, every, strict=True)
        ]
        shown = [pair[0] for pair in pairs if pair is not None]
        scaled = _scaled(shown, seen) if len(shown) == len(seen) else None
        if scaled is not None and scaled[1] > 0:
            right = _right(seen, gradients, *scaled, none, False)
            return Fit(loss, *scaled, 0.0, False, none[0], right, matrix, names, is_known=True)
    return None


def factors_of(moved: Array, gradient: Array, weights: Array, with_penalty: bool) -> tuple[float, float] | None:
    """Return the factors a and b of ``moved = -a gradient - b weights``; None where nothing fits that."""
    size = float(np.abs(moved).max(initial=0.0))
    if size == 0 or not np.isfinite(moved).all() or not np.isfinite(gradient).all():
        return None
    columns = [gradient.ravel(), weights.ravel()] if with_penalty else [gradient.ravel()]
    if len(columns[0]) < len(columns) or (with_penalty and len(columns[0]) == len(columns)):
        return None  # one number tells a factor, which all batches must agree on
    solved = np.linalg.lstsq(-np.array(columns).T, moved.ravel(), rcond=None)[0]
    left = moved.ravel() + sum(c * s for c, s in zip(columns, solved, strict=True))
    if float(np.abs(left).max()) > LOSS_FOUND_SHARE * size:
        return None
    return float(solved[0]), float(solved[1]) if with_penalty else 0.0


def _scaled(
    factors: Sequence[float], seen: Sequence[Seen], scales: Sequence[Scale] = SCALES
) -> tuple[Scale, float] | None:
    """Return the scale and the constant by which factors depend on rows and outputs; None where no scale does it."""
    for scale in scales:
        constants = [f / scale.of(*one.output.shape) for f, one in zip(factors, seen, strict=True)]
        if max(constants) - min(constants) <= LOSS_FOUND_SHARE * max(map(abs, constants)):
            return scale, float(np.mean(constants))
    return None


def _right(
    seen: Sequence[Seen],
    gradients: Sequence[Mapping[str, Array]],
    scale: Scale,
    factor: float,
    penalty: tuple[Scale, float],
    on_all: bool,
) -> frozenset[str]:
    """Return the parameters that move as a loss with these factors says, in every batch."""
    right = set(seen[0].params)
    for one, gradient in zip(seen, gradients, strict=True):
        shape = one.output.shape
        most = max(float(np.abs(m).max(initial=0.0)) for m in one.moved.values())
        for name, g in gradient.items():
            drawn = penalty[1] * penalty[0].of(*shape) if on_all or is_penalized(name, one.params[name]) else 0.0
            expected = -factor * scale.of(*shape) * g - drawn * one.params[name]
            room = LOSS_FOUND_SHARE * max(
                float(np.abs(expected).max(initial=0.0)), float(np.abs(one.moved[name]).max(initial=0.0)), 1e-3 * most
            )
            if one.moved[name].shape != expected.shape or not (np.abs(one.moved[name] - expected) <= room).all():
                right.discard(name)
    return frozenset(right)


def is_penalized(name: str, w: Array) -> bool:
    """Say whether a penalty is on a parameter: it is on matrices, not on biases."""
    low = name.rpartition(".")[2].lower()
    return (w.ndim > 1 and min(w.shape) > 1) or not low.startswith(("b", "params['b"))


OWN = CandidateLoss("the loss that the code computes", lambda o, y: 0.0, lambda o, y: o, lambda o, targets: False)
"""Stands for a loss that the code itself has a function for."""


def own_fit(reading: Reading, seen: Sequence[Seen]) -> Fit:
    """Return how the parameters move by the loss that the code itself computes."""
    gradients = [own_gradient(reading, one) for one in seen]
    none = Scale(0, 0), 0.0
    right = _right(seen, gradients, Scale(0, 0), RATE, none, False)
    return Fit(OWN, Scale(0, 0), RATE, 0.0, False, Scale(0, 0), right, "", tuple(seen[0].params))


def own_factors(
    reading: Reading, seen: Sequence[Seen], name: str, *, grows: bool = False
) -> tuple[float, float] | None:
    """Return a and b where a parameter moves by -a times its derivative of the code's own loss, and -b times itself.

    None where it moves otherwise, or by another a or b in another batch. ``grows``: b is below 0, else it is not.
    """
    gradients = [own_gradient(reading, one)[name] for one in seen]
    for with_penalty in (False, True):
        shown = [
            factors_of(one.moved[name], g, one.params[name], with_penalty)
            for one, g in zip(seen, gradients, strict=True)
        ]
        pairs = [pair for pair in shown if pair is not None]
        if len(pairs) < len(shown):
            continue
        (a, b), room = pairs[0], LOSS_FOUND_SHARE * pairs[0][0]
        if (
            a > 0
            and (b < -room if grows else b >= 0)
            and all(np.allclose((a, b), pair, rtol=LOSS_FOUND_SHARE, atol=room) for pair in pairs)
        ):
            return a, b
    return None


def under(fit: Fit, reading: Reading, seen: Sequence[Seen]) -> Fit:
    """Return how parameters move by a loss that is known from the gradients that the same code computes."""
    if fit.loss is OWN:
        return own_fit(reading, seen)._replace(is_known=True)
    gradients = [one.gradient(fit.loss.slope(one.output, one.targets)) for one in seen]
    penalty = fit.penalty_scale, fit.penalty
    right = _right(seen, gradients, fit.scale, fit.factor, penalty, fit.penalty_on_all)
    return fit._replace(right=right, names=tuple(seen[0].params), is_known=True)


def own_gradient(reading: Reading, one: Seen) -> dict[str, Array]:
    """Return the differences of the loss that the code itself computes, by the parameters."""
    assert reading.loss is not None, "only asked for where there is one"
    found = {}
    with quiet(), np.errstate(all="ignore"):
        for name, w in one.params.items():
            slopes = np.zeros(w.size)
            for at in range(w.size):
                ends = []
                for by in (NUDGE, -NUDGE):
                    near = copies(one.params)
                    near[name].reshape(-1)[at] += by
                    ends.append(float(reading.loss(near, one.x.copy(), one.y.copy())))
                slopes[at] = (ends[0] - ends[1]) / (2 * NUDGE)
            found[name] = slopes.reshape(w.shape)
    return found


def best_fit(reading: Reading, seen: Sequence[Seen]) -> Fit | None:
    """Return the candidate under which most parameters are right, of those that the output matrix allows.

    Where the code computes a loss of its own, that is the loss, unless only a candidate fits every parameter, or only a
    candidate fits any, more than one.
    """
    own = None if reading.loss is None else own_fit(reading, seen)
    if own is not None and (own.is_whole or reading.unbounded or reading.returns_both):
        return own
    found = list(fits(reading, seen))
    best = max(found, key=lambda fit: (fit.is_whole, fit.decides, len(fit.right)), default=None)
    if own is None or (best is not None and best.is_whole):
        return best
    printed_only = best is not None and best.decides and not own.right and len(best.right) > 1
    return best if printed_only else own


def as_question(reading: Reading, seen: Sequence[Seen]) -> Fit | None:
    """Return a candidate that fits under a known fault of the error at the output."""
    found = [fit for fit in fits(reading, seen, asked=True) if fit.is_whole]
    return found[0] if found else None


def loss_of(fit: Fit, reading: Reading, rate: float | None) -> Callable[[Any, Any, Any], Any]:
    """Return a loss as a function of parameters, samples and targets.

    ``rate``: the learning rate by which steps were taken; the factor of the loss is what remains.
    """
    if fit.loss is OWN and reading.loss is not None:
        return reading.loss
    factor = fit.factor / (rate or fit.factor)
    penalty = fit.penalty / (rate or fit.factor)
    value, scale = fit.loss.value, fit.scale

    def loss(params: Mapping[str, Any], x: Array, y: Array) -> Any:
        out = reading.output(params, x)
        shape = out.shape
        targets = reading.targets_as_rows(np.asarray(y), shape[1])
        total = factor * scale.of(*shape) * value(out, targets)
        for name, w in params.items() if penalty else ():
            if fit.penalty_on_all or is_penalized(name, np.asarray(w)):
                total = total + penalty / 2 * fit.penalty_scale.of(*shape) * np.sum(w * w)
        return total

    return loss
