"""torch autograd as a system: the reference that most subjects rely on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.autograd import forward_ad

from gdprops.numerics.autograd import gradients_of, leaves, loss_of
from gdprops.numerics.flat import flat_weights
from gdprops.numerics.numpy_system import Looking

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.case import Block
    from gdprops.model.network import Point


class TorchSystem(Looking):
    """Reverse mode by ``torch.autograd.grad`` on detached leaves; forward mode by torch's dual tensors."""

    name = "torch autograd"

    def loss(self, point: Point) -> float:
        """Return the loss J at the point."""
        with torch.no_grad():
            return loss_of(point, leaves(point)).item()

    def gradient(self, point: Point) -> list[Array | None]:
        """Return the gradients of all tensors at once; None for a frozen or unused tensor."""
        tensors, moving = leaves(point), point.network.moving
        found: list[Array | None] = [None] * len(tensors)
        grads = gradients_of(loss_of(point, tensors), [tensors[i] for i in moving])
        for i, g in zip(moving, grads, strict=True):
            found[i] = g
        return found

    def block_by_block(self, point: Point, order: Sequence[int], *, retained: bool) -> list[Array | None]:
        """Return the gradients one tensor after the other, from one graph (``retained``) or from fresh passes."""
        tensors = leaves(point)
        kept = loss_of(point, tensors)
        found: list[Array | None] = [None] * len(tensors)
        for i in order:
            loss = kept if retained else loss_of(point, tensors)
            found[i] = gradients_of(loss, [tensors[i]], retain=retained)[0]
        return found

    def directional(self, point: Point, direction: Sequence[Array]) -> float:
        """Return the derivative of J along a direction, by dual tensors."""
        with forward_ad.dual_level(), torch.no_grad():
            duals = [
                forward_ad.make_dual(torch.from_numpy(w), torch.from_numpy(v))  # type: ignore[no-untyped-call] # torch's
                for w, v in zip(point.tensors, direction, strict=True)
            ]
            tangent = forward_ad.unpack_dual(loss_of(point, duals)).tangent  # type: ignore[no-untyped-call] # torch's
            return 0.0 if tangent is None else tangent.item()

    def regrouped(self, point: Point, partition: Sequence[Block]) -> Array:
        """Return the flat gradient, computed with respect to one leaf for each block."""
        w = flat_weights(point)
        blocks = [torch.from_numpy(w[list(block)]).requires_grad_() for block in partition]
        place = np.argsort(np.concatenate([np.asarray(block) for block in partition]))
        whole = torch.cat(blocks)[torch.from_numpy(place)]
        grads = gradients_of(loss_of(point, _views(point, whole)), blocks)
        found = np.zeros_like(w)
        for block, g in zip(partition, grads, strict=True):
            found[list(block)] = 0 if g is None else g
        return found


def _views(point: Point, whole: torch.Tensor) -> list[torch.Tensor]:
    """Return the point's tensors; the trainable ones are cut out of one flat tensor."""
    tensors, start = [torch.from_numpy(w) for w in point.tensors], 0
    for i in point.network.moving:
        size = tensors[i].numel()
        tensors[i] = whole[start : start + size].view(tensors[i].shape)
        start += size
    return tensors
