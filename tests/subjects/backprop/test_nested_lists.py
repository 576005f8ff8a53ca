"""Networks in plain Python: neurons as dicts in lists, weights as lists of lists; rows that hold their class."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.subjects.backprop.judging import judged, of_functions, wrongly_moved

NEURONS = """
    from math import exp
    from random import random


    def initialize_network(n_inputs, n_hidden, n_outputs):
        hidden = [{"weights": [random() for _ in range(n_inputs + 1)]} for _ in range(n_hidden)]
        return [hidden, [{"weights": [random() for _ in range(n_hidden + 1)]} for _ in range(n_outputs)]]


    def forward_propagate(network, row):
        inputs = row
        for layer in network:
            new_inputs = []
            for neuron in layer:
                z = neuron["weights"][-1]
                for i in range(len(neuron["weights"]) - 1):
                    z += neuron["weights"][i] * inputs[i]
                neuron["output"] = 1.0 / (1.0 + exp(-z))
                new_inputs.append(neuron["output"])
            inputs = new_inputs
        return inputs


    def backward_propagate_error(network, expected):
        for i in reversed(range(len(network))):
            for j, neuron in enumerate(network[i]):
                if i == len(network) - 1:
                    error = neuron["output"] - expected[j]
                else:
                    error = sum(other["weights"][j] * other["delta"] for other in network[i + 1])
                neuron["delta"] = error * neuron["output"] * (1 - neuron["output"])


    def update_weights(network, row, l_rate):
        for i in range(len(network)):
            inputs = row[:-1] if i == 0 else [neuron["output"] for neuron in network[i - 1]]
            for neuron in network[i]:
                for j in range(len(inputs)):
                    neuron["weights"][j] -= l_rate * neuron["delta"] * inputs[j]
                neuron["weights"][-1] -= l_rate * neuron["delta"]
"""
HIDDEN, OUTPUT = "params[0][*]['weights']", "params[1][*]['weights']"


@pytest.mark.parametrize(
    ("old", "new", "wrong"),
    [
        ("", "", set()),
        ("row[:-1]", "row", set()),
        ('other["weights"][j] * other["delta"]', 'other["delta"]', {HIDDEN}),
        ('neuron["weights"][-1] -= l_rate * neuron["delta"]', "pass", {HIDDEN, OUTPUT}),
        ('["weights"][-1] -= l_rate', '["weights"][-1] -= 2 * l_rate', {HIDDEN, OUTPUT}),
    ],
    ids=("right", "without classes", "weights missing", "biases rest", "biases twice"),
)
def test_neurons_as_dicts(tmp_path: Path, old: str, new: str, wrong: set[str]) -> None:
    """The bias is the last weight: where it is wrong, the weights beside it still tell the loss."""
    assert wrongly_moved(tmp_path, NEURONS.replace(old, new) if old else NEURONS, readings=of_functions) == wrong


LISTS = """
    import math
    import random


    def sigmoid(x):
        return 1 / (1 + math.exp(-x))


    def init_network(n_in, n_hidden, n_out):
        w1 = [[random.random() for _ in range(n_in)] for _ in range(n_hidden)]
        w2 = [[random.random() for _ in range(n_hidden)] for _ in range(n_out)]
        b1, b2 = [0.0] * n_hidden, [0.0] * n_out
        return w1, b1, w2, b2


    def forward(x, w1, b1, w2, b2):
        h = [sigmoid(sum(w * v for w, v in zip(row, x)) + b) for row, b in zip(w1, b1)]
        o = [sigmoid(sum(w * v for w, v in zip(row, h)) + b) for row, b in zip(w2, b2)]
        return h, o


    def train_step(x, t, w1, b1, w2, b2, lr):
        h, o = forward(x, w1, b1, w2, b2)
        d2 = [(ok - tk) * ok * (1 - ok) for ok, tk in zip(o, t)]
        d1 = [sum(d2[k] * w2[k][j] for k in range(len(d2))) * h[j] * (1 - h[j]) for j in range(len(h))]
        for k in range(len(w2)):
            for j in range(len(h)):
                w2[k][j] -= lr * d2[k] * h[j]
            b2[k] -= lr * d2[k]
        for j in range(len(w1)):
            for i in range(len(x)):
                w1[j][i] -= lr * d1[j] * x[i]
            b1[j] -= lr * d1[j]
        return w1, b1, w2, b2
"""


def test_lists_of_any_size_are_right(tmp_path: Path) -> None:
    """Two matrices of (1, 1), or of (2, 2), in one list are no array of their own."""
    assert judged(tmp_path, LISTS, examples=4).verdict == "right"


def test_an_error_through_moved_lists_is_found(tmp_path: Path) -> None:
    moved = LISTS.replace("* h[j] * (1 - h[j]) for", "* h[j] for")
    assert wrongly_moved(tmp_path, moved, readings=of_functions) == {"w1", "b1"}
