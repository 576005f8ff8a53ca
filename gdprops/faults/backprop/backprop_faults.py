"""Wrong hand-written backprop: tutorials and courses re-created over NumPy arrays, and what students get wrong.

All losses are right: they say what the steps should have done.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gdprops.faults.backprop.numpy_networks import (
    Array,
    Params,
    columns,
    gradients,
    neuron_loss,
    neuron_outputs,
    neurons,
    outer_loss,
    sigmoid,
    softmax,
    softmax_loss,
    squares,
    stack_loss,
    stacked,
    two_layers,
)
from gdprops.faults.fault import Fault
from gdprops.subjects.backprop.subject import backprop


def adjusts_output_neurons_first(network: list[Array], X: Array, y: Array, lr: float) -> None:
    """Adjust the output neurons, then take the hidden deltas from them; X and y are one sample."""
    hidden, outputs = neuron_outputs(network, X)
    deltas = [o * (1 - o) * (o - aim) for o, aim in zip(outputs, y, strict=True)]
    for i, neuron in enumerate(network[-1]):
        for j, value in enumerate([*hidden, 1]):
            neuron[j] -= lr * deltas[i] * value
    for i, neuron in enumerate(network[0]):
        back = sum(delta * neuron_out[i] for delta, neuron_out in zip(deltas, network[-1], strict=True))
        for j, value in enumerate([*X, 1]):
            neuron[j] -= lr * hidden[i] * (1 - hidden[i]) * back * value


def adds_before_it_transposes(params: Params, X: Array, y: Array, lr: float) -> None:
    """Add the output layer's change, then send the errors back through it."""
    h = np.tanh(X @ params["W1"] + params["b1"])
    errors = y - (h @ params["W2"] + params["b2"])
    params["W2"] += lr * h.T @ errors
    params["b2"] += lr * errors.sum(axis=0)
    hidden_errors = errors @ np.transpose(params["W2"]) * (1 - h * h)
    params["W1"] += lr * X.T @ hidden_errors
    params["b1"] += lr * hidden_errors.sum(axis=0)


def moves_then_passes_through(layers: list[Array], X: Array, y: Array, lr: float) -> list[Array]:
    """Loop from the last layer to the first: move it, then pass the gradient through it."""
    outputs = stacked(layers, X)
    grad = 2 * (outputs[-1] - y) / y.size
    for i in reversed(range(len(layers))):
        if i < len(layers) - 1:
            grad = grad * (1 - outputs[i + 1] ** 2)
        layers[i] -= lr * outputs[i].T @ grad
        grad = grad @ layers[i].T
    return layers


def softmax_layer_moves_first(params: Params, X: Array, y: Array, lr: float) -> Params:
    """Move the softmax layer, then take the hidden layer's error through it."""
    h = sigmoid(X @ params["W1"])
    error = (softmax(h @ params["W2"]) - y) / len(X)
    params["W2"] = params["W2"] - lr * h.T @ error
    error = error @ params["W2"].T * h * (1 - h)
    params["W1"] = params["W1"] - lr * X.T @ error
    return params


def corrects_columns_first(params: Params, X: Array, y: Array, lr: float) -> None:
    """Correct the output weights of one sample, a column, then take the hidden delta through them."""
    h = sigmoid(params["w_ih"] @ X + params["b_ih"])
    o = sigmoid(params["w_ho"] @ h + params["b_ho"])
    delta_o = (o - y) * o * (1 - o)
    params["w_ho"] += -lr * delta_o @ np.transpose(h)
    params["b_ho"] += -lr * delta_o
    delta_h = np.transpose(params["w_ho"]) @ delta_o * (h * (1 - h))
    params["w_ih"] += -lr * delta_h @ np.transpose(X)
    params["b_ih"] += -lr * delta_h


def inner_weights_see_outer_ones_moved(params: Params, X: Array, y: Array, lr: float) -> None:
    """Update the outer weights as soon as their gradient is known."""
    hidden = sigmoid(np.dot(X, params["inner"]))
    output = sigmoid(np.dot(hidden, params["outer"]))
    output_delta = (y - output) * output * (1 - output)
    params["outer"] += lr * hidden.T.dot(output_delta)
    hidden_delta = output_delta.dot(params["outer"].T) * hidden * (1 - hidden)
    params["inner"] += lr * X.T.dot(hidden_delta)


def forgets_the_activation(params: Params, X: Array, y: Array) -> Params:
    """Send the error back without the derivative of tanh."""
    h = np.tanh(X @ params["W1"] + params["b1"])
    d = h @ params["W2"] + params["b2"] - y
    dh = d @ params["W2"].T
    return {"W1": X.T @ dh, "b1": dh.sum(axis=0), "W2": h.T @ d, "b2": d.sum(axis=0)}


def forgets_a_bias(params: Params, X: Array, y: Array) -> Params:
    """Return no gradient of the last bias."""
    found = gradients(params, X, y)
    del found["b2"]
    return found


def gradients_move_weights(params: Params, X: Array, y: Array) -> Params:
    """Move the weights where gradients are only asked for."""
    found = gradients(params, X, y)
    for name, g in found.items():
        params[name] -= 0.5 * g
    return found


def trains_only_the_last_layer(params: Params, X: Array, y: Array, lr: float) -> None:
    """Move the output layer alone."""
    found = gradients(params, X, y)
    params["W2"] -= lr * found["W2"]
    params["b2"] -= lr * found["b2"]


def steps_twice(params: Params, X: Array, y: Array, lr: float) -> None:
    """Apply the gradients in a loop that has one round too many."""
    found = gradients(params, X, y)
    for _ in range(2):
        for name, g in found.items():
            params[name] -= lr * g


def keeps_the_last_gradients(params: Params, X: Array, y: Array, lr: float) -> None:
    """Use the gradients that the last step left in the params; the first step has none but its own."""
    found = gradients(params, X, y)
    used = params.get("last", found)
    params["last"] = found
    for name, g in used.items():
        params[name] -= lr * g


def adds_the_gradient(params: Params, X: Array, y: Array, lr: float) -> None:
    """Climb: the gradient is added."""
    found = gradients(params, X, y)
    for name, g in found.items():
        params[name] += lr * g


def takes_the_error_in_place(params: Params, X: Array, y: Array, lr: float) -> None:
    """Write the error into the targets: the next epoch trains towards something else."""
    found = gradients(params, X, y)
    y -= np.tanh(X @ params["W1"] + params["b1"]) @ params["W2"] + params["b2"]
    for name, g in found.items():
        params[name] -= lr * g


def _step(step: Callable[..., Any], summary: str, *, source: str = "", **how: Any) -> Fault:
    name, given = f"backprop-{step.__name__.replace('_', '-')}", {"loss": squares, "shapes": two_layers, **how}
    return Fault(name, summary, source, lambda: backprop(step=step, name=name, **given))


def _gradients(found: Callable[..., Any], summary: str) -> Fault:
    name = f"backprop-{found.__name__.replace('_', '-')}"
    return Fault(name, summary, "", lambda: backprop(squares, gradients=found, shapes=two_layers, name=name))


FAULTS = (
    _step(
        adjusts_output_neurons_first,
        "Hidden deltas are computed with output neurons that are adjusted already.",
        source="joelgrus/data-science-from-scratch#31",
        loss=neuron_loss,
        shapes=neurons,
        samples="single",
    ),
    _step(
        adds_before_it_transposes,
        "The output weights are changed before the errors go back through them.",
        source="CodingTrain/Toy-Neural-Network-JS#72",
    ),
    _step(
        moves_then_passes_through,
        "Each layer moves before the gradient passes through it.",
        source="VikParuchuri/zero_to_gpt#12",
        loss=stack_loss,
        shapes=lambda n_in, n_hidden, n_out: [(n_in, n_hidden), (n_hidden, n_hidden), (n_hidden, n_out)],
    ),
    _step(
        softmax_layer_moves_first,
        "The hidden layer's error goes back through softmax weights that have moved.",
        source="LxMLS/lxmls-guide#115",
        loss=softmax_loss,
        targets="one-hot",
        shapes=lambda n_in, n_hidden, n_out: {"W1": (n_in, n_hidden), "W2": (n_hidden, n_out)},
    ),
    _step(
        corrects_columns_first,
        "The hidden delta of a sample is taken through corrected output weights.",
        source="Bot-Academy/NeuralNetworkFromScratch#3, louisjc/mnist-neural-network#1",
        loss=columns,
        shapes=lambda n_in, n_hidden, n_out: {
            "w_ih": (n_hidden, n_in),
            "b_ih": (n_hidden, 1),
            "w_ho": (n_out, n_hidden),
            "b_ho": (n_out, 1),
        },
    ),
    _step(
        inner_weights_see_outer_ones_moved,
        "The inner weights' error is taken through outer weights that have moved.",
        source="kim-marcel/basic_neural_network#7",
        loss=outer_loss,
        shapes=lambda n_in, n_hidden, n_out: {"inner": (n_in, n_hidden), "outer": (n_hidden, n_out)},
    ),
    _gradients(forgets_the_activation, "The error goes back without the activation's derivative."),
    _gradients(forgets_a_bias, "The last bias has no gradient."),
    _gradients(gradients_move_weights, "Asking for the gradients moves the weights."),
    _step(takes_the_error_in_place, "The step overwrites the targets that it is given."),
    _step(trains_only_the_last_layer, "Only the output layer moves."),
    _step(steps_twice, "The same gradients are applied twice."),
    _step(keeps_the_last_gradients, "From the second step on, the last step's gradients are used."),
    _step(adds_the_gradient, "The gradient is added instead of subtracted."),
)
