"""Compute the backward pass of a recognized network with one deliberate flaw, to see which flaw the user's code has.

Example: the flaw "the derivative of the activation (tanh) is missing" gives gradients; if the user's parameters moved
by exactly these, the user's code has this flaw.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

from gdprops.explanations.backprop.output_errors import ERRORS
from gdprops.explanations.backprop.recognized_network import ACTIVATIONS, Net, forward, inputs_of, targets_of

if TYPE_CHECKING:
    from gdprops.clauses.support.watched_step import Watched
    from gdprops.explanations.backprop.recognized_network import Activation
    from gdprops.model.arrays import Array

Slope = Callable[["Activation", "Array", "Array", "Array"], "Array"]
"""Takes the activation, z, h = f(z) and the error; returns what the error is multiplied with instead of f'(z)."""


def _right(act: Activation, z: Array, h: Array, e: Array) -> Array:
    return act.slope(z)


def _of_other(other: Activation) -> Slope:
    return lambda act, z, h, e: other.of_value(h)


@final
@dataclass(frozen=True, slots=True)
class Flaw:
    """One thing done wrong in a backward pass.

    Attributes:
        text: The sentence; ``{act}`` stands for the activation and ``{next}`` for the next layer's matrix.
        slope: What the error is multiplied with instead of f'(z).
        at: The only hidden layer that has the flaw; None for all hidden layers.
        end: Whether the derivative of the output's activation is right, left out or applied once too often.
        through: What the error is multiplied with on its way back instead of the transposed matrix.
        inputs: What the layer's gradient is taken with instead of its inputs.
        bias: How the error is combined over the rows for the gradient of the bias.
    """

    text: str
    slope: Slope = _right
    at: int | None = None
    end: str = "right"
    through: str = "transposed"
    inputs: str = "activation"
    bias: str = "sum"


NO_SLOPE = "the derivative of the activation ({act}) is missing"
OF_VALUE = "the derivative of the activation ({act}) is taken at the activation h = f(z) instead of at z"
FORMULA_AT_Z = "the derivative of {act} is written as a formula in h = f(z), and is given z"
OF_ERROR = "the derivative of the activation ({act}) is taken at the error that comes back instead of at z"

FLAWS = (
    Flaw(NO_SLOPE, slope=lambda act, z, h, e: np.ones_like(z)),
    Flaw(OF_VALUE, slope=lambda act, z, h, e: act.slope(h)),
    Flaw(FORMULA_AT_Z, slope=lambda act, z, h, e: act.of_value(z)),
    Flaw("the derivative of the activation ({act}) enters twice", slope=lambda act, z, h, e: act.slope(z) ** 2),
    Flaw("the activation itself ({act}) stands where its derivative should", slope=lambda act, z, h, e: h),
    Flaw("1 - h stands where the derivative of the activation h ({act}) should", slope=lambda act, z, h, e: 1 - h),
    Flaw(OF_ERROR, slope=lambda act, z, h, e: act.slope(e)),
    *(Flaw(text, end=text) for text in ERRORS),
    Flaw("the error goes back through {next} instead of its transpose", through="straight"),
    Flaw("the error goes back through the already updated weights {next}", through="moved"),
    Flaw("the error goes back through the layer's own weights instead of {next}", through="own"),
    Flaw("the error goes back without being multiplied with {next}", through="summed"),
    Flaw("the gradient is taken with the pre-activations z of the layer before, not with its activations", inputs="z"),
    Flaw("the gradient is taken with the layer's own activations, not with its inputs", inputs="own"),
    Flaw("the gradient of the bias is averaged over the rows, not summed", bias="mean"),
    Flaw("the gradient of the bias is that of the first row alone", bias="first"),
    Flaw("the gradient of the bias is that of the last row alone", bias="last"),
    Flaw("the gradient of the bias is summed over everything: every entry gets the same", bias="total"),
)


OTHERS = tuple(
    Flaw(f"the derivative of {other.name} is used for that of {{act}}", slope=_of_other(other))
    for other in ACTIVATIONS[1:]
)
"""The flaws "derivative of another activation". They are tried last, because they may coincide with flaws of `FLAWS`.

A sigmoid's value is positive: there the derivative of a rectifier is 1, as if the derivative were missing.
"""


def flaws(net: Net) -> Iterator[Flaw]:
    """Yield every flaw that a network of this depth can have: first in all hidden layers, then in one of them."""
    from dataclasses import replace

    yield from FLAWS
    hidden = len(net.layers) - 1
    for k in range(hidden) if hidden > 1 else ():
        yield from (replace(flaw, at=k) for flaw in FLAWS if flaw.slope is not _right or flaw.through != "transposed")


def gradients(net: Net, step: Watched, flaw: Flaw) -> list[Array | None]:
    """Return the flawed gradients at the weights before the step; None for a parameter whose shapes do not fit."""
    inputs, zs = forward(net, step.before, inputs_of(step))
    y = targets_of(step, zs[-1].shape[1])
    found: list[Array | None] = [None] * len(step.names)
    delta = _delta(net, zs[-1], y, flaw)
    for k in range(len(net.layers) - 1, -1, -1):
        if delta is None:
            break
        _store(net, step, k, delta, _taken_with(inputs, zs, k, flaw, net), flaw, found)
        if k:
            delta = _sent_back(net, step.after if flaw.through == "moved" else step.before, k, delta, flaw)
            if delta is not None:
                slope = flaw.slope if flaw.at in (None, k - 1) else _right
                delta = delta * slope(net.hidden, zs[k - 1], inputs[k], delta)
    return found


def _delta(net: Net, z: Array, y: Array, flaw: Flaw) -> Array | None:
    error = net.ending.delta(z, y) if flaw.end == "right" else ERRORS[flaw.end](net.ending, z, y)
    return None if error is None else net.scale(y) * error


def _sent_back(net: Net, weights: Sequence[Array], k: int, delta: Array, flaw: Flaw) -> Array | None:
    """Return the error before layer k: ``delta`` times the transposed matrix, or what the flaw puts in its place."""
    w = net.weight(weights, k)
    through = flaw.through if flaw.at in (None, k - 1) else "transposed"
    if through in ("transposed", "moved"):
        return np.asarray(delta @ w.T)
    if through == "summed":
        return np.asarray(delta.sum(axis=1, keepdims=True) * np.ones(w.shape[0]))
    other = w if through == "straight" else net.weight(weights, k - 1)
    fits = other.shape[0] == delta.shape[1] and other.shape[1] == w.shape[0]
    return np.asarray(delta @ other) if fits else None


def _taken_with(inputs: Sequence[Array], zs: Sequence[Array], k: int, flaw: Flaw, net: Net) -> Array | None:
    if flaw.inputs == "z" and k:
        return zs[k - 1]
    if flaw.inputs == "own":
        own = net.hidden.value(zs[k]) if k < len(zs) - 1 else zs[k]
        return own if own.shape == inputs[k].shape else None
    return inputs[k]


def _store(
    net: Net, step: Watched, k: int, delta: Array, taken: Array | None, flaw: Flaw, found: list[Array | None]
) -> None:
    """Store the gradients of layer k in ``found``, in the shapes of its parameters."""
    layer, bias = net.layers[k], _bias(delta, flaw)
    if taken is not None:
        g = taken.T @ delta
        g = np.vstack([g, bias]) if layer.bias_column else g
        shape = step.before[layer.weight].shape
        found[layer.weight] = (g.T if layer.out_first and len(shape) > 1 else g).reshape(shape)
    if layer.bias is not None:
        found[layer.bias] = bias.reshape(step.before[layer.bias].shape)


def _bias(delta: Array, flaw: Flaw) -> Array:
    if flaw.bias == "mean":
        return np.asarray(delta.mean(axis=0))
    if flaw.bias in ("first", "last"):
        return np.asarray(delta[0 if flaw.bias == "first" else -1])
    total = delta.sum(axis=0)
    return np.full_like(total, total.sum()) if flaw.bias == "total" else np.asarray(total)
