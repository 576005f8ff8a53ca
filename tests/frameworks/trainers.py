"""A trainer in each framework, layer by layer and as it should be, on hand-written networks of one shape."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

SHAPES = {"W1": (2, 3), "b1": (3,), "W2": (3, 1), "b2": (1,)}
LAYERS = (("W1", "b1"), ("W2", "b2"))
TOGETHER = (tuple(SHAPES),)
Params = dict[str, Any]
Parts = tuple[tuple[str, ...], ...]


def loss(params: Params, X: Any, y: Any) -> float:
    """Return J, half the sum of squares of a tanh network; every trainer below has the same one in its framework."""
    hidden = np.tanh(X @ params["W1"] + params["b1"])
    return float(0.5 * ((hidden @ params["W2"] + params["b2"] - y) ** 2).sum())


@cache
def jax_gradient() -> Callable[..., Any]:
    """Return the gradients, compiled once for each number of rows."""
    import jax
    import jax.numpy as jnp

    def loss(p: Params, X: Any, y: Any) -> Any:
        hidden = jnp.tanh(X @ p["W1"] + p["b1"])
        return 0.5 * ((hidden @ p["W2"] + p["b2"] - y) ** 2).sum()

    compiled: Callable[..., Any] = jax.jit(jax.grad(loss))
    return compiled


def trains_all_at_once_in_jax(params: Params, X: Any, y: Any, lr: float) -> Params:
    """One jax.grad, one optax.sgd update of everything."""
    return _optax_steps(params, X, y, lr, TOGETHER)


def trains_layer_by_layer_in_jax(params: Params, X: Any, y: Any, lr: float) -> Params:
    """A jax.grad and an optax.sgd update for each layer: the second one looks at a first layer that has moved."""
    return _optax_steps(params, X, y, lr, LAYERS)


def _optax_steps(params: Params, X: Any, y: Any, lr: float, parts: Parts) -> Params:
    import jax
    import optax

    with jax.enable_x64(True):
        for part in parts:
            gradients = jax_gradient()(params, X, y)
            own, optimizer = {name: params[name] for name in part}, optax.sgd(lr)
            updates, _ = optimizer.update({name: gradients[name] for name in part}, optimizer.init(own))
            params = {**params, **optax.apply_updates(own, updates)}
    return {name: np.asarray(w) for name, w in params.items()}


def trains_all_at_once_in_tensorflow(params: Params, X: Any, y: Any, lr: float) -> Params:
    """One GradientTape, one GradientDescentOptimizer.apply_gradients of everything."""
    return _tensorflow_steps(params, X, y, lr, TOGETHER)


def trains_layer_by_layer_in_tensorflow(params: Params, X: Any, y: Any, lr: float) -> Params:
    """A GradientTape and an apply_gradients for each layer."""
    return _tensorflow_steps(params, X, y, lr, LAYERS)


def _tensorflow_steps(params: Params, X: Any, y: Any, lr: float, parts: Parts) -> Params:
    import tensorflow as tf

    variables = {name: tf.Variable(w) for name, w in params.items()}
    optimizer = tf.compat.v1.train.GradientDescentOptimizer(lr)
    for part in parts:
        with tf.GradientTape() as tape:
            found = _tensorflow_loss(variables, tf.constant(X), tf.constant(y))
        own = [variables[name] for name in part]
        optimizer.apply_gradients(zip(tape.gradient(found, own), own, strict=True))
    return {name: v.numpy() for name, v in variables.items()}


def _tensorflow_loss(p: Params, X: Any, y: Any) -> Any:
    import tensorflow as tf

    hidden = tf.tanh(X @ p["W1"] + p["b1"])
    return 0.5 * tf.reduce_sum((hidden @ p["W2"] + p["b2"] - y) ** 2)


@cache
def compiled_tensorflow() -> tuple[Params, Callable[..., Any], Callable[..., Any]]:
    """Return variables, a ``tf.function`` that steps all of them at once and one that goes layer by layer.

    Traced once: the number of rows is left open.
    """
    import tensorflow as tf

    variables = {name: tf.Variable(np.zeros(shape)) for name, shape in SHAPES.items()}
    signature = [tf.TensorSpec(s, tf.float64) for s in ((None, 2), (None, 1), ())]

    def stepping(parts: Parts) -> Callable[..., Any]:
        def step(X: Any, y: Any, lr: Any) -> None:
            for part in parts:
                with tf.GradientTape() as tape:
                    found = _tensorflow_loss(variables, X, y)
                own = [variables[name] for name in part]
                for variable, g in zip(own, tape.gradient(found, own), strict=True):
                    variable.assign_sub(lr * g)

        return tf.function(step, input_signature=signature)  # type: ignore[no-any-return] # TensorFlow has no types

    return variables, stepping(TOGETHER), stepping(LAYERS)


def trains_in_a_tf_function(params: Params, X: Any, y: Any, lr: float) -> Params:
    return _through_variables(params, X, y, lr, compiled_tensorflow()[1])


def trains_layer_by_layer_in_a_tf_function(params: Params, X: Any, y: Any, lr: float) -> Params:
    return _through_variables(params, X, y, lr, compiled_tensorflow()[2])


def _through_variables(params: Params, X: Any, y: Any, lr: float, step: Callable[..., Any]) -> Params:
    variables = compiled_tensorflow()[0]
    for name, w in params.items():
        variables[name].assign(w)
    step(X, y, lr)
    return {name: v.numpy() for name, v in variables.items()}


@cache
def tensorflow_1() -> tuple[Any, Params, list[Any], Params, tuple[list[Any], ...]]:
    """Return a session, its placeholders, and what it can run: assign, read, minimize at once or layer by layer."""
    import tensorflow as tf

    v1, graph = tf.compat.v1, tf.Graph()
    with graph.as_default():
        shapes = {**SHAPES, "X": (None, 2), "y": (None, 1), "lr": ()}
        fed = {name: v1.placeholder(tf.float64, shape) for name, shape in shapes.items()}
        variables = {n: v1.get_variable(n, s, tf.float64, use_resource=True) for n, s in SHAPES.items()}
        found = _tensorflow_loss(variables, fed["X"], fed["y"])
        optimizer = v1.train.GradientDescentOptimizer(fed["lr"])
        steps = tuple(
            [optimizer.minimize(found, var_list=[variables[n] for n in part]) for part in parts]
            for parts in (TOGETHER, LAYERS)
        )
        assigned = [v.assign(fed[n]) for n, v in variables.items()]
        return v1.Session(graph=graph), fed, assigned, {n: v.read_value() for n, v in variables.items()}, steps


def trains_in_graph_mode(params: Params, X: Any, y: Any, lr: float) -> Params:
    """One session.run of ``minimize`` over all variables."""
    return _in_a_session(params, X, y, lr, 0)


def trains_layer_by_layer_in_graph_mode(params: Params, X: Any, y: Any, lr: float) -> Params:
    """A session.run for each layer's ``minimize(loss, var_list=layer)``."""
    return _in_a_session(params, X, y, lr, 1)


def _in_a_session(params: Params, X: Any, y: Any, lr: float, which: int) -> Params:
    session, fed, assigned, read, steps = tensorflow_1()
    session.run(assigned, {fed[name]: w for name, w in params.items()})
    for step in steps[which]:
        session.run(step, {fed["X"]: X, fed["y"]: y, fed["lr"]: lr})
    return dict(session.run(read))


@cache
def keras_model(accumulated: int | None = None) -> Any:
    """Return a compiled model whose loss is the sum of squares; half of it is J, so it steps at half the rate."""
    import keras

    layers = [keras.layers.Dense(3, "tanh", dtype="float64"), keras.layers.Dense(1, dtype="float64")]
    model = keras.Sequential([keras.Input((2,), dtype="float64"), *layers])
    squares = keras.losses.MeanSquaredError(reduction="sum", dtype="float64")
    model.compile(keras.optimizers.SGD(0.5, gradient_accumulation_steps=accumulated), squares)
    return model


def trains_on_a_batch_in_keras(params: Params, X: Any, y: Any, lr: float) -> Params:
    model = _placed(keras_model(), params, lr / 2)
    model.train_on_batch(X, y)
    return _taken(model)


def fits_one_batch_in_keras(params: Params, X: Any, y: Any, lr: float) -> Params:
    model = _placed(keras_model(), params, lr / 2)
    model.fit(X, y, batch_size=len(X), epochs=1, verbose=0)
    return _taken(model)


def accumulates_in_keras(params: Params, X: Any, y: Any, lr: float) -> Params:
    """Two micro-batches, every second row each; Keras moves at the second, by the mean of both gradients."""
    model = _placed(keras_model(accumulated=2), params, lr)
    for k in (0, 1):
        model.train_on_batch(X, y, sample_weight=(np.arange(len(X)) % 2 == k).astype(float))
    return _taken(model)


def trains_layer_by_layer_in_keras(params: Params, X: Any, y: Any, lr: float) -> Params:
    """Every layer has a train_on_batch of its own, the others being frozen meanwhile."""
    for kept in (0, 1):
        model = _placed(_with_one_trainable(kept), params, lr / 2)
        model.train_on_batch(X, y)
        params = _taken(model)
    return params


@cache
def _with_one_trainable(kept: int) -> Any:
    import keras

    model = keras.models.clone_model(keras_model())
    for k, layer in enumerate(model.layers):
        layer.trainable = k == kept
    model.compile(keras.optimizers.SGD(0.5), keras.losses.MeanSquaredError(reduction="sum", dtype="float64"))
    return model


def _placed(model: Any, params: Params, rate: float) -> Any:
    model.set_weights(list(params.values()))
    model.optimizer.learning_rate = rate
    return model


def _taken(model: Any) -> Params:
    return dict(zip(SHAPES, model.get_weights(), strict=True))
