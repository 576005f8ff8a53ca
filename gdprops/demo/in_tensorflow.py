"""The demo's network in TensorFlow: one GradientTape, one GradientDescentOptimizer.apply_gradients()."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import numpy as np

from gdprops.demo.question_network import batch
from gdprops.model.arrays import Array


@final
class InTensorflow:
    """TensorFlow with the optimizer that the question is about: tf.compat.v1.train.GradientDescentOptimizer."""

    name = "TensorFlow"

    def evaluate(self, weights: Sequence[Array]) -> tuple[float, list[Array]]:
        """Return the loss and every gradient after one forward and one backward pass."""
        _, gradients, loss = _taped(weights)
        return float(loss), [np.asarray(g) for g in gradients]

    def rate_in_force(self, rate: float) -> float:
        """Return the learning rate as the optimizer stores it, in float32."""
        return float(np.float32(rate))

    def step(self, weights: Sequence[Array], rate: float) -> list[Array]:
        """Return the weights after tape.gradient() and apply_gradients()."""
        import tensorflow as tf

        variables, gradients, _ = _taped(weights)
        optimizer = tf.compat.v1.train.GradientDescentOptimizer(rate)
        optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return [v.numpy().copy() for v in variables]


def _taped(weights: Sequence[Array]) -> tuple[list[Any], list[Any], Any]:
    import tensorflow as tf

    variables = [tf.Variable(w) for w in weights]
    w1, b1, w2, b2 = variables
    inputs, labels = map(tf.constant, batch())
    with tf.GradientTape() as tape:
        logits = tf.nn.relu(inputs @ w1 + b1) @ w2 + b2
        loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits))
    return variables, tape.gradient(loss, variables), loss
