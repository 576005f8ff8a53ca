"""Systems that look around wrongly: the gradient chapter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gdprops.faults.fault import Fault
from gdprops.model.network import Batch
from gdprops.numerics.autograd import gradients_of, leaves, loss_of
from gdprops.numerics.losses import inverse
from gdprops.numerics.network_pass import gradient_at
from gdprops.numerics.numpy_system import NumpySystem
from gdprops.numerics.torch_system import TorchSystem

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.case import Block
    from gdprops.model.network import Point

Gradient = list[Any]


class FirstLayerForgotten(NumpySystem):
    """The backward loop stops one layer early."""

    def gradient(self, point: Point) -> Gradient:
        found = super().gradient(point)
        found[point.network.layers[0].weight] = None
        return found


class GradientFlattened(NumpySystem):
    """Gradients come as rows of a design matrix, not in their parameters' shape."""

    def gradient(self, point: Point) -> Gradient:
        return [None if g is None else g.reshape(1, -1) for g in super().gradient(point)]


class FrozenHasGradient(NumpySystem):
    """The trainable flag is not looked at."""

    def gradient(self, point: Point) -> Gradient:
        everything = replace(point.network, trainable=(True,) * len(point.tensors))
        return gradient_at(replace(point, network=everything))


class TiedGradientOverwritten(NumpySystem):
    """Where two layers share a weight, the second one's gradient replaces the first one's."""

    def gradient(self, point: Point) -> Gradient:
        found, layers = super().gradient(point), list(point.network.towers[0])
        for k, layer in enumerate(layers[1:], start=1):
            if layer.weight == layers[k - 1].weight and found[layer.weight] is not None:
                apart = [*layers[:k], replace(layer, weight=len(point.tensors)), *layers[k + 1 :]]
                found[layer.weight] = gradient_at(_with_copy(point, apart, layer.weight))[layer.weight]
        return found


def _with_copy(point: Point, layers: Sequence[Any], weight: int) -> Point:
    """Return the point with a copy of one tensor behind all others."""
    old = point.network
    copied = replace(old, towers=(tuple(layers),), names=(*old.names, "copy"), trainable=(*old.trainable, True))
    return replace(point, network=copied, tensors=(*point.tensors, point.tensors[weight]))


class GradientScaled(NumpySystem):
    """The factor ½ of half the sum of squares is forgotten."""

    def gradient(self, point: Point) -> Gradient:
        return [None if g is None else 2 * g for g in super().gradient(point)]


class GradientSignFlipped(NumpySystem):
    """Prediction minus target, the wrong way around."""

    def gradient(self, point: Point) -> Gradient:
        return [None if g is None else -g for g in super().gradient(point)]


class WeightsWrittenBeforeBackward(TorchSystem):
    """Moves the weights through ``.data`` between the forward pass and its backward."""

    def gradient(self, point: Point) -> Gradient:
        tensors, moving = leaves(point), point.network.moving
        loss = loss_of(point, tensors)
        for i in moving:
            tensors[i].data.mul_(0.5)
        grads = gradients_of(loss, [tensors[i] for i in moving])
        return [grads[moving.index(i)] if i in moving else None for i in range(len(tensors))]


class LookingMovesTheWeights(NumpySystem):
    """Every look takes a step, in place."""

    def gradient(self, point: Point) -> Gradient:
        found = super().gradient(point)
        for w, g in zip(point.tensors, found, strict=True):
            if g is not None:
                w[...] = w - w.dtype.type(0.125) * g
        return found


class LookingCentersTheInputs(NumpySystem):
    """Preprocesses the caller's own array of inputs."""

    def gradient(self, point: Point) -> Gradient:
        point.batch.inputs[...] -= point.batch.inputs.dtype.type(1)
        return super().gradient(point)


class LaterBlocksSeeMovedWeights(NumpySystem):
    """Going block by block, each block moves before the next one looks."""

    def block_by_block(self, point: Point, order: Sequence[int], *, retained: bool) -> Gradient:
        found: Gradient = [None] * len(point.tensors)
        for i in order:
            found[i] = gradient_at(point)[i]
            if found[i] is not None:
                moved = point.tensors[i] - found[i]
                point = point.at([moved if k == i else w for k, w in enumerate(point.tensors)])
        return found


class ForwardModeSkipsTheBias(NumpySystem):
    """The tangent of a bias is not added."""

    def directional(self, point: Point, direction: Sequence[Array]) -> Any:
        biases = {layer.bias for layer in point.network.layers}
        kept = [v * 0 if i in biases else v for i, v in enumerate(direction)]
        return super().directional(point, kept)


class GradientNormalizedPerBlock(NumpySystem):
    """Every block's gradient is made a unit vector."""

    def regrouped(self, point: Point, partition: Sequence[Block]) -> Array:
        found = super().regrouped(point, partition)
        for block in map(list, partition):
            found[block] = found[block] / (np.linalg.norm(found[block]) or 1)
        return found


class GradientClippedPerBlock(NumpySystem):
    """Clips the norm of each block where it should clip the global norm, or nothing."""

    def regrouped(self, point: Point, partition: Sequence[Block]) -> Array:
        found = super().regrouped(point, partition)
        for block in map(list, partition):
            found[block] = found[block] / max(np.linalg.norm(found[block]), 1)
        return found


class MeanOfMeans(NumpySystem):
    """Averages the micro-batches' mean gradients as if they had equally many rows."""

    def additive(self, point: Point, parts: Sequence[Batch]) -> Gradient:
        found = [self.gradient(point.on(part)) for part in parts]
        share = 1 if point.network.loss == "half-sse" else inverse(len(parts), point.batch.inputs)
        return [None if g[0] is None else share * sum(g) for g in zip(*found, strict=True)]


class SumOfMeans(NumpySystem):
    """Adds the micro-batches' mean gradients up and never divides."""

    def additive(self, point: Point, parts: Sequence[Batch]) -> Gradient:
        found = [self.gradient(point.on(part)) for part in parts]
        return [None if g[0] is None else sum(g) for g in zip(*found, strict=True)]


class LastWindowDividedByTheFullCount(NumpySystem):
    """A ragged last micro-batch is weighted as if it were as long as the longest."""

    def additive(self, point: Point, parts: Sequence[Batch]) -> Gradient:
        longest = max(len(part.inputs) for part in parts)
        found = [self.gradient(point.on(part)) for part in parts]
        mean = inverse(longest * len(parts), point.batch.inputs)
        shares = [1 if point.network.loss == "half-sse" else len(part.inputs) * mean for part in parts]
        return [
            None if g[0] is None else sum(s * x for s, x in zip(shares, g, strict=True))
            for g in zip(*found, strict=True)
        ]


FAULTS = (
    Fault(
        "first-layer-forgotten",
        "The first layer has no gradient: the backward loop stops one layer early.",
        system=FirstLayerForgotten,
    ),
    Fault(
        "gradient-flattened",
        "Gradients are rows, not of their parameters' shape.",
        system=GradientFlattened,
    ),
    Fault(
        "frozen-has-gradient",
        "Frozen parameters have a gradient like all others.",
        source="ahrefs/ocannl#673",
        system=FrozenHasGradient,
    ),
    Fault(
        "gradient-of-tied-weights-overwritten",
        "The gradient of a weight that two layers share is assigned where it must be added.",
        source="NVIDIA/TransformerEngine#3552",
        system=TiedGradientOverwritten,
    ),
    Fault(
        "gradient-scaled",
        "Every gradient is twice the derivative.",
        system=GradientScaled,
    ),
    Fault(
        "gradient-sign-flipped",
        "Every gradient points uphill.",
        system=GradientSignFlipped,
    ),
    Fault(
        "weights-written-before-backward",
        "The weights are moved through .data between the forward pass and its backward.",
        source="pytorch/pytorch#39141, rail-berkeley/rlkit#109",
        system=WeightsWrittenBeforeBackward,
    ),
    Fault(
        "looking-moves-the-weights",
        "Every look takes a step, in place.",
        system=LookingMovesTheWeights,
    ),
    Fault(
        "looking-centers-the-inputs",
        "Every look preprocesses the caller's own inputs, in place.",
        system=LookingCentersTheInputs,
    ),
    Fault(
        "later-blocks-see-moved-weights",
        "Block by block, each block moves before the next one looks.",
        source="joelgrus/data-science-from-scratch#31, CodingTrain/Toy-Neural-Network-JS#72",
        system=LaterBlocksSeeMovedWeights,
    ),
    Fault(
        "forward-mode-skips-the-bias",
        "Forward mode drops the tangent of every bias.",
        system=ForwardModeSkipsTheBias,
    ),
    Fault(
        "gradient-normalized-per-block",
        "The gradient of each block is made a unit vector.",
        system=GradientNormalizedPerBlock,
    ),
    Fault(
        "gradient-clipped-per-block",
        "The gradient of each block is clipped by its own norm.",
        source="huggingface/transformers#581",
        system=GradientClippedPerBlock,
    ),
    Fault(
        "mean-of-means",
        "Ragged micro-batches count alike, whatever their rows.",
        source="huggingface/transformers#34191, unslothai/unsloth#1146",
        system=MeanOfMeans,
    ),
    Fault(
        "sum-of-means",
        "The micro-batches' mean gradients are added up and never divided.",
        source="paiml/aprender#2123",
        system=SumOfMeans,
    ),
    Fault(
        "last-window-divided-by-the-full-count",
        "A ragged micro-batch is divided by the count of a full one.",
        source="modelscope/ms-swift#10084",
        system=LastWindowDividedByTheFullCount,
    ),
)
