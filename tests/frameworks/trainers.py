"""A trainer in each framework, layer by layer and as it should be, on hand-written networks of one shape."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

SHAPES = {"W1": (2, 3), "b1": (3,), "W2": (3, 1), "b2": (1,)}
LAYERS = (("W1", "b1"), ("W2", "b2"))
Params = dict[str, Any]


@cache
def jax_loss() -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return J and its gradients, compiled once for each number of rows."""
    import jax
    import jax.numpy as jnp

    def loss(p: Params, X: Any, y: Any) -> Any:
        hidden = jnp.tanh(X @ p["W1"] + p["b1"])
        return 0.5 * ((hidden @ p["W2"] + p["b2"] - y) ** 2).sum()

    return jax.jit(loss), jax.jit(jax.grad(loss))


def loss_in_jax(params: Params, X: Any, y: Any) -> float:
    import jax

    with jax.enable_x64(True):
        return float(jax_loss()[0](params, X, y))


def trains_all_at_once_in_jax(params: Params, X: Any, y: Any, lr: float) -> Params:
    """One jax.grad, one optax.sgd update of everything."""
    return _optax_steps(params, X, y, lr, (tuple(SHAPES),))


def trains_layer_by_layer_in_jax(params: Params, X: Any, y: Any, lr: float) -> Params:
    """A jax.grad and an optax.sgd update for each layer: the second one looks at a first layer that has moved."""
    return _optax_steps(params, X, y, lr, LAYERS)


def _optax_steps(params: Params, X: Any, y: Any, lr: float, parts: tuple[tuple[str, ...], ...]) -> Params:
    import jax
    import numpy as np
    import optax

    with jax.enable_x64(True):
        for part in parts:
            gradients = jax_loss()[1](params, X, y)
            own, optimizer = {name: params[name] for name in part}, optax.sgd(lr)
            updates, _ = optimizer.update({name: gradients[name] for name in part}, optimizer.init(own))
            params = {**params, **optax.apply_updates(own, updates)}
    return {name: np.asarray(w) for name, w in params.items()}


def loss_in_tensorflow(params: Params, X: Any, y: Any) -> float:
    return float(_tensorflow_loss({name: _constant(w) for name, w in params.items()}, X, y))


def trains_all_at_once_in_tensorflow(params: Params, X: Any, y: Any, lr: float) -> Params:
    """One GradientTape, one GradientDescentOptimizer.apply_gradients of everything."""
    return _tensorflow_steps(params, X, y, lr, (tuple(SHAPES),))


def trains_layer_by_layer_in_tensorflow(params: Params, X: Any, y: Any, lr: float) -> Params:
    """A GradientTape and an apply_gradients for each layer."""
    return _tensorflow_steps(params, X, y, lr, LAYERS)


def _tensorflow_steps(params: Params, X: Any, y: Any, lr: float, parts: tuple[tuple[str, ...], ...]) -> Params:
    import tensorflow as tf

    variables = {name: tf.Variable(w) for name, w in params.items()}
    optimizer = tf.compat.v1.train.GradientDescentOptimizer(lr)
    for part in parts:
        with tf.GradientTape() as tape:
            loss = _tensorflow_loss(variables, X, y)
        own = [variables[name] for name in part]
        optimizer.apply_gradients(zip(tape.gradient(loss, own), own, strict=True))
    return {name: v.numpy() for name, v in variables.items()}


def _tensorflow_loss(p: Params, X: Any, y: Any) -> Any:
    import tensorflow as tf

    hidden = tf.tanh(_constant(X) @ p["W1"] + p["b1"])
    return 0.5 * tf.reduce_sum((hidden @ p["W2"] + p["b2"] - _constant(y)) ** 2)


def _constant(values: Any) -> Any:
    import tensorflow as tf

    return tf.constant(values)
