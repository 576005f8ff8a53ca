"""The forward and the backward pass of a network, written once and as plainly as in a textbook.

The numbers may be float arrays (the NumPy reference), arrays of fractions (the rational reference), or `Tracked`
arrays: granularities (the exact certificate), error bounds (the running bound), dual numbers (Hessian products).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from gdprops.numerics import losses
from gdprops.numerics.activations import ACTIVATIONS
from gdprops.numerics.tracked import Tracked, settle

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.network import Batch, Layer, Network, Point


class Remembered(NamedTuple):
    """What the backward pass needs of a layer: its input and its activation's slope, at the weights of this pass."""

    layer: Layer
    inputs: Any
    slope: Any


def activate(name: str, z: Any) -> tuple[Any, Any]:
    """Return f(z) and f'(z)."""
    if isinstance(z, Tracked):
        return z.activate(name)
    activation = ACTIVATIONS[name]
    return activation.value(z), activation.slope(z)


def forward(tower: Sequence[Layer], tensors: Sequence[Any], inputs: Any) -> tuple[Any, list[Remembered]]:
    """Return a tower's output, and what the backward pass needs of every layer."""
    h, tape = inputs, []
    for layer in tower:
        z = h @ tensors[layer.weight].T
        if layer.bias is not None:
            z = z + tensors[layer.bias]
        out, slope = activate(layer.activation, z)
        tape.append(Remembered(layer, h, slope))
        h = settle(out + h) if layer.residual else out
    return h, tape


def backward(tape: Sequence[Remembered], tensors: Sequence[Any], u: Any, found: list[Any]) -> None:
    """Add each tensor's gradient to ``found``; u is dJ/d(output of the tower)."""
    for layer, h, slope in reversed(tape):
        d = u * slope
        _add(found, layer.weight, d.T @ h)
        if layer.bias is not None:
            _add(found, layer.bias, d.sum(axis=0))
        below = d @ tensors[layer.weight]
        u = below + u if layer.residual else below


def _add(found: list[Any], index: int, gradient: Any) -> None:
    """Add a gradient to a tensor's: the gradient of a tied tensor is the sum over its uses."""
    found[index] = gradient if found[index] is None else found[index] + gradient


def outputs(network: Network, tensors: Sequence[Any], inputs: Any) -> list[Any]:
    """Return the outputs of all towers, scaled where the network has a scale."""
    found = [forward(tower, tensors, inputs)[0] for tower in network.towers]
    return [settle(h * tensors[network.scale]) for h in found] if network.scale is not None else found


def loss(network: Network, tensors: Sequence[Any], batch: Batch) -> Any:
    """Return the loss J."""
    predicted = outputs(network, tensors, batch.inputs)
    parts = [losses.value(network.loss, out, columns(network, batch.targets, k)) for k, out in enumerate(predicted)]
    return sum(parts[1:], parts[0])


def gradient(network: Network, tensors: Sequence[Any], batch: Batch) -> list[Any]:
    """Return dJ/d(tensor) for every tensor at once; None for a frozen or unused tensor."""
    found: list[Any] = [None] * len(tensors)
    for k, tower in enumerate(network.towers):
        h, tape = forward(tower, tensors, batch.inputs)
        out = h if network.scale is None else settle(h * tensors[network.scale])
        u = losses.slope(network.loss, out, columns(network, batch.targets, k))
        if network.scale is not None:
            _add(found, network.scale, (u * h).sum())
            u = u * tensors[network.scale]
        backward(tape, tensors, u, found)
    return [g if trains else None for g, trains in zip(found, network.trainable, strict=True)]


def gradient_at(point: Point) -> list[Any]:
    """Return the `gradient` of the loss at a point."""
    return gradient(point.network, point.tensors, point.batch)


def loss_at(point: Point) -> Any:
    """Return the `loss` at a point."""
    return loss(point.network, point.tensors, point.batch)


def columns(network: Network, targets: Array, tower: int) -> Array:
    """Return the columns of the targets that a tower predicts: all towers predict equally many."""
    if len(network.towers) == 1:
        return targets
    width = targets.shape[1] // len(network.towers)
    return targets[:, tower * width : (tower + 1) * width]
