"""Our networks in torch, over detached leaves: a second source of gradients, independent of our NumPy passes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own convention

from gdprops.numerics.activations import LEAK
from gdprops.numerics.network_pass import columns

if TYPE_CHECKING:
    from torch import Tensor

    from gdprops.model.arrays import Array
    from gdprops.model.network import Layer, Network, Point

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda z: z,
    "relu": torch.relu,
    "leaky-relu": lambda z: F.leaky_relu(z, LEAK),
    "square": torch.square,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
}

_LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "half-sse": lambda out, y: F.mse_loss(out, y, reduction="sum") / 2,
    "half-sse-per-row": lambda out, y: F.mse_loss(out, y, reduction="sum") / (2 * len(y)),
    "mse": F.mse_loss,
    "bce": F.binary_cross_entropy_with_logits,
    "cross-entropy": F.cross_entropy,
}


def torch_loss(network: Network, tensors: Sequence[Tensor], inputs: Tensor, targets: Array) -> Tensor:
    """Return the loss J as a scalar tensor, differentiable in the tensors."""
    total = inputs.new_zeros(())
    for k, tower in enumerate(network.towers):
        out = _outputs(tower, tensors, inputs)
        if network.scale is not None:
            out = out * tensors[network.scale]
        total = total + _LOSSES[network.loss](out, torch.from_numpy(columns(network, targets, k)))
    return total


def _outputs(tower: Sequence[Layer], tensors: Sequence[Tensor], h: Tensor) -> Tensor:
    for layer in tower:
        bias = None if layer.bias is None else tensors[layer.bias]
        out = _ACTIVATIONS[layer.activation](F.linear(h, tensors[layer.weight], bias))
        h = out + h if layer.residual else out
    return h


def leaves(point: Point) -> list[Tensor]:
    """Return the tensors as leaves that share the arrays' memory; the trainable ones require gradients."""
    pairs = zip(point.tensors, point.network.trainable, strict=True)
    return [torch.from_numpy(w).requires_grad_(trains) for w, trains in pairs]


def loss_of(point: Point, tensors: Sequence[Tensor]) -> Tensor:
    """Return the loss J on the point's batch as a function of other tensors."""
    inputs = torch.from_numpy(point.batch.inputs)
    return torch_loss(point.network, tensors, inputs, point.batch.targets)


def gradients_of(loss: Tensor, wanted: Sequence[Tensor], *, retain: bool = False) -> list[Array | None]:
    """Return dJ/d(leaf) as arrays; None where J does not depend on the leaf."""
    if not loss.requires_grad:
        return [None] * len(wanted)
    found = torch.autograd.grad(loss, list(wanted), allow_unused=True, retain_graph=retain)
    return [None if g is None else g.numpy() for g in found]
