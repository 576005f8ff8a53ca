"""TensorFlow's own gradients of our networks: eager, by ``tf.GradientTape`` and ``tf.autodiff.ForwardAccumulator``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, final

import numpy as np

from gdprops.numerics.activations import LEAK
from gdprops.numerics.flat import flat_weights
from gdprops.numerics.network_pass import columns
from gdprops.numerics.numpy_system import Looking

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.case import Block
    from gdprops.model.network import Layer, Point

Tensors = Sequence[Any]


@final
class TensorFlowGradients(Looking):
    """Reverse mode by a tape over variables (frozen ones are not trainable), forward mode by an accumulator."""

    name = "TensorFlow's GradientTape"

    def loss(self, point: Point) -> float:
        """Return the loss J at the point."""
        return float(_loss(point, _constants(point.tensors)))

    def gradient(self, point: Point) -> list[Array | None]:
        """Return the gradients of all tensors at once; None for a frozen or unused tensor."""
        import tensorflow as tf

        variables = _variables(point)
        with tf.GradientTape() as tape:
            loss = _loss(point, variables)
        return _arrays(tape.gradient(loss, variables))

    def block_by_block(self, point: Point, order: Sequence[int], *, retained: bool) -> list[Array | None]:
        """Return the gradients one tensor after the other: from one persistent tape (``retained``), or a tape each."""
        import tensorflow as tf

        variables = _variables(point)
        found: list[Array | None] = [None] * len(variables)
        with tf.GradientTape(persistent=True) as kept:
            loss = _loss(point, variables)
        for i in order:
            if not retained:
                with tf.GradientTape(persistent=True) as kept:
                    loss = _loss(point, variables)
            found[i] = _arrays([kept.gradient(loss, variables[i])])[0]
        return found

    def directional(self, point: Point, direction: Sequence[Array]) -> float:
        """Return the derivative of J along a direction, in forward mode."""
        import tensorflow as tf

        primals = _constants(point.tensors)
        with tf.autodiff.ForwardAccumulator(primals, _constants(direction)) as forward:
            loss = _loss(point, primals)
        found = forward.jvp(loss)
        return 0.0 if found is None else float(found)

    def regrouped(self, point: Point, partition: Sequence[Block]) -> Array:
        """Return the flat gradient, computed with respect to one variable for each block."""
        import tensorflow as tf

        w = flat_weights(point)
        blocks = [tf.Variable(w[list(block)]) for block in partition]
        with tf.GradientTape() as tape:
            loss = _loss(point, _cut(point, tf.dynamic_stitch([list(block) for block in partition], blocks)))
        found = np.zeros_like(w)
        for block, g in zip(partition, _arrays(tape.gradient(loss, blocks)), strict=True):
            found[list(block)] = 0 if g is None else g
        return found


def _loss(point: Point, tensors: Tensors) -> Any:
    """Return the loss J of the point's network and batch as a function of other tensors."""
    import tensorflow as tf

    network, total = point.network, 0.0
    for k, tower in enumerate(network.towers):
        out = _outputs(tower, tensors, tf.constant(point.batch.inputs))
        if network.scale is not None:
            out = out * tensors[network.scale]
        total = total + _of_outputs(network.loss, out, tf.constant(columns(network, point.batch.targets, k)))
    return total


def _outputs(tower: Sequence[Layer], tensors: Tensors, h: Any) -> Any:
    import tensorflow as tf

    for layer in tower:
        z = tf.matmul(h, tensors[layer.weight], transpose_b=True)
        if layer.bias is not None:
            z = z + tensors[layer.bias]
        out = _activated(layer.activation, z)
        h = out + h if layer.residual else out
    return h


def _activated(name: str, z: Any) -> Any:
    import tensorflow as tf

    functions = {"relu": tf.nn.relu, "square": tf.square, "tanh": tf.tanh, "sigmoid": tf.sigmoid}
    if name == "leaky-relu":
        return tf.nn.leaky_relu(z, LEAK)
    return z if name == "identity" else functions[name](z)


def _of_outputs(loss: str, out: Any, y: Any) -> Any:
    import tensorflow as tf

    if loss == "half-sse":
        return tf.reduce_sum(tf.square(out - y)) / 2
    if loss == "mse":
        return tf.reduce_mean(tf.square(out - y))
    if loss == "bce":
        return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=y, logits=out))
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=out))


def _constants(arrays: Sequence[Array]) -> list[Any]:
    import tensorflow as tf

    return [tf.constant(w) for w in arrays]


def _variables(point: Point) -> list[Any]:
    import tensorflow as tf

    return [tf.Variable(w, trainable=t) for w, t in zip(point.tensors, point.network.trainable, strict=True)]


def _cut(point: Point, whole: Any) -> list[Any]:
    """Return the point's tensors; the trainable ones are cut out of one flat tensor."""
    import tensorflow as tf

    tensors, start = _constants(point.tensors), 0
    for i in point.network.moving:
        size = point.tensors[i].size
        tensors[i] = tf.reshape(whole[start : start + size], point.tensors[i].shape)
        start += size
    return tensors


def _arrays(gradients: Sequence[Any]) -> list[Array | None]:
    return [None if g is None else np.array(g) for g in gradients]
