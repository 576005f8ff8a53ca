"""Right systems that compute the gradient in another way: recomputed, row by row, or as one flat vector."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from gdprops.faults.fault import Twin
from gdprops.numerics.autograd import gradients_of, leaves, torch_loss
from gdprops.numerics.flat import flat_weights, unflat
from gdprops.numerics.numpy_system import NumpySystem
from gdprops.numerics.torch_system import TorchSystem

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.network import Point


class LayersRecomputed(TorchSystem):
    """Forgets every activation and recomputes the forward pass during the backward pass (checkpointing)."""

    def gradient(self, point: Point) -> list[Array | None]:
        tensors, inputs = leaves(point), torch.from_numpy(point.batch.inputs)

        def loss(*weights: Tensor) -> Tensor:
            return torch_loss(point.network, weights, inputs, point.batch.targets)

        moving = [tensors[i] for i in point.network.moving]
        grads = gradients_of(checkpoint(loss, *tensors, use_reentrant=False), moving)
        found = dict(zip(point.network.moving, grads, strict=True))
        return [found.get(i) for i in range(len(tensors))]


class RowByRow(NumpySystem):
    """Adds up the gradients of single rows, the last one first."""

    def gradient(self, point: Point) -> list[Array | None]:
        rows = [point.batch.rows(slice(k, k + 1)) for k in range(len(point.batch.inputs))]
        single = NumpySystem()
        return single.additive(point, rows[::-1])


class FromTheFlatVector(TorchSystem):
    """Differentiates with respect to one flat vector and cuts the result up."""

    def gradient(self, point: Point) -> list[Array | None]:
        everything = tuple(range(flat_weights(point).size))
        whole = unflat(point, self.regrouped(point, (everything,) if everything else ()))
        used = point.network.used
        return [g if i in point.network.moving and i in used else None for i, g in enumerate(whole.tensors)]


TWINS = (
    Twin("numpy-reference", system=NumpySystem),
    Twin("torch-reference", system=TorchSystem),
    Twin("layers-recomputed", system=LayersRecomputed),
    Twin("row-by-row", system=RowByRow),
    Twin("from-the-flat-vector", system=FromTheFlatVector),
)
