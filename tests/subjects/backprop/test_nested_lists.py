"""Networks in plain Python: neurons as dicts in lists, weights as lists of lists; rows that hold their class."""

from __future__ import annotations

from pathlib import Path

import pytest

from gdprops.errors import UsageError
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


NESTED = """
    import math


    def dot(v, w):
        return sum(a * b for a, b in zip(v, w))


    def feed_forward(neural_network, inputs):
        outputs = []
        for layer in neural_network:
            inputs = [1 / (1 + math.exp(-dot(neuron, inputs + [1]))) for neuron in layer]
            outputs.append(inputs)
        return outputs


    def backpropagate(network, inputs, target):
        hidden, outputs = feed_forward(network, inputs)
        out_deltas = [o * (1 - o) * (o - target[i]) for i, o in enumerate(outputs)]
        hidden_deltas = [h * (1 - h) * dot(out_deltas, [n[i] for n in network[-1]]) for i, h in enumerate(hidden)]
        for i, neuron in enumerate(network[-1]):
            for j, h in enumerate(hidden + [1]):
                neuron[j] -= out_deltas[i] * h
        for i, neuron in enumerate(network[0]):
            for j, x in enumerate(inputs + [1]):
                neuron[j] -= hidden_deltas[i] * x
"""
BY_NAME = """
    import math


    def create_network(n_inputs, n_hidden, n_outputs):
        return {
            "hidden": [{"w": [0.1] * n_inputs, "b": 0.0} for _ in range(n_hidden)],
            "output": [{"w": [0.1] * n_hidden, "b": 0.0} for _ in range(n_outputs)],
        }


    def feedforward(network, inputs):
        for name in ("hidden", "output"):
            for n in network[name]:
                n["a"] = math.tanh(sum(w * x for w, x in zip(n["w"], inputs)) + n["b"])
            inputs = [n["a"] for n in network[name]]
        return inputs


    def backpropagation(network, inputs, targets, learning_rate):
        feedforward(network, inputs)
        for n, t in zip(network["output"], targets):
            n["delta"] = (n["a"] - t) * (1 - n["a"] ** 2)
        for j, n in enumerate(network["hidden"]):
            n["delta"] = sum(o["w"][j] * o["delta"] for o in network["output"]) * (1 - n["a"] ** 2)
        hidden = [n["a"] for n in network["hidden"]]
        for name, values in (("output", hidden), ("hidden", inputs)):
            for n in network[name]:
                n["w"] = [w - learning_rate * n["delta"] * x for w, x in zip(n["w"], values)]
                n["b"] -= learning_rate * n["delta"]
"""
MATRICES = """
    import math


    def product(A, B):
        return [[sum(a * b for a, b in zip(row, column)) for column in zip(*B)] for row in A]


    class Net:
        def __init__(self, n_in, n_hidden, n_out):
            self.W1 = [[0.1] * n_hidden for _ in range(n_in)]
            self.W2 = [[0.1] * n_out for _ in range(n_hidden)]

        def forward(self, X):
            self.H = [[math.tanh(v) for v in row] for row in product(X, self.W1)]
            return product(self.H, self.W2)

        def train(self, X, Y, lr):
            D2 = [[o - y for o, y in zip(*rows)] for rows in zip(self.forward(X), Y)]
            D1 = product(D2, list(zip(*self.W2)))
            D1 = [[d * (1 - h * h) for d, h in zip(*rows)] for rows in zip(D1, self.H)]
            for W, A, D in ((self.W2, self.H, D2), (self.W1, X, D1)):
                for i, row in enumerate(product(list(zip(*A)), D)):
                    W[i] = [w - lr * g for w, g in zip(W[i], row)]
"""


@pytest.mark.parametrize(
    ("name", "code", "old", "new", "wrong"),
    [
        ("", NESTED, "hidden + [1]", "hidden + [1]", set()),
        ("", NESTED, "enumerate(inputs + [1])", "enumerate(inputs)", {"params[0]"}),
        ("", BY_NAME, "targets", "targets", set()),
        ("", BY_NAME, '["delta"] for o in', '["a"] for o in', {"params['hidden'][*]['w']", "params['hidden'][*]['b']"}),
        ("Net", MATRICES, "lr", "lr", set()),
        ("Net", MATRICES, "1 - h * h", "1 - h", {"W1"}),
    ],
    ids=("nested right", "bias rests", "by name right", "output for delta", "matrices right", "slope"),
)
def test_networks_in_lists_of_lists(tmp_path: Path, name: str, code: str, old: str, new: str, wrong: set[str]) -> None:
    """A sample is a list, too: ``inputs + [1]`` of an array would hide that a bias rests."""
    assert wrongly_moved(tmp_path, code.replace(old, new), name, of_functions) == wrong


GRADIENTS = """
    def sqerror_gradients(network, input_vector, target_vector):
        hidden, outputs = feed_forward(network, input_vector)
        out_deltas = [o * (1 - o) * (o - t) for o, t in zip(outputs, target_vector)]
        out_grads = [[d * h for h in hidden + [1]] for d in out_deltas]
        hidden_deltas = [h * (1 - h) * dot(out_deltas, [n[i] for n in network[-1]]) for i, h in enumerate(hidden)]
        hidden_grads = [[d * x for x in input_vector + [1]] for d in hidden_deltas]
        return [hidden_grads, out_grads]
"""


@pytest.mark.parametrize(
    ("new", "wrong"), [("h * (1 - h) * dot", set()), ("h * dot", {"params[0]"})], ids=("right", "wrong")
)
def test_gradients_in_lists_of_lists(tmp_path: Path, new: str, wrong: set[str]) -> None:
    code = NESTED.partition("    def backpropagate")[0] + GRADIENTS.replace("h * (1 - h) * dot", new)
    assert wrongly_moved(tmp_path, code, readings=of_functions) == wrong


def test_a_network_of_dicts_is_no_list_of_layer_objects(tmp_path: Path) -> None:
    """``backpropagation(network, expected)`` may also be over layers of another file, of which there is none here."""
    code = NEURONS.replace("backward_propagate_error", "backpropagation")
    assert judged(tmp_path, code, examples=3).verdict == "right"


NEURON = """
    import math


    def predict(features, weights, bias):
        z = bias
        for w, x in zip(weights, features):
            z += w * x
        return 1 / (1 + math.exp(-z))


    def train_one(features, target, weights, bias, lr):
        error = predict(features, weights, bias) - target
        for i in range(len(weights)):
            weights[i] -= lr * error * features[i]
        bias -= lr * error
        return weights, bias
"""


@pytest.mark.parametrize(
    ("new", "wrong"), [("bias -= lr * error", set()), ("bias += lr * error", {"bias"})], ids=("right", "wrong")
)
def test_a_bias_that_is_a_number_is_none_that_is_changed_in_place(tmp_path: Path, new: str, wrong: set[str]) -> None:
    """``z = bias; z += w * x`` leaves a number as it is."""
    assert wrongly_moved(tmp_path, NEURON.replace("bias -= lr * error", new), readings=of_functions) == wrong


CONNECTIONS = """
    import math
    import random


    class Connection:
        def __init__(self, source):
            self.source, self.weight = source, random.uniform(-1, 1)


    class Neuron:
        def __init__(self, before):
            self.inputs = [Connection(neuron) for neuron in before]
            self.bias, self.value, self.error = random.uniform(-1, 1), 0.0, 0.0

        def fire(self):
            self.value = math.tanh(self.bias + sum(c.weight * c.source.value for c in self.inputs))


    class Net:
        def __init__(self, topology):
            self.layers = []
            for size in topology:
                self.layers.append([Neuron(self.layers[-1] if self.layers else []) for _ in range(size)])

        def feed_forward(self, inputs):
            for neuron, value in zip(self.layers[0], inputs):
                neuron.value = value
            for layer in self.layers[1:]:
                for neuron in layer:
                    neuron.fire()
            return [neuron.value for neuron in self.layers[-1]]

        def train(self, inputs, targets, lr):
            for neuron in sum(self.layers, []):
                neuron.error = 0.0
            for neuron, value, target in zip(self.layers[-1], self.feed_forward(inputs), targets):
                neuron.error = value - target
            for layer in reversed(self.layers[1:]):
                for neuron in layer:
                    d = neuron.error * (1 - neuron.value ** 2)
                    for c in neuron.inputs:
                        c.source.error += d * c.weight
                        c.weight -= lr * d * c.source.value
                    neuron.bias -= lr * d
"""
HIDDEN_ONES = {"layers[1][*].inputs[*].weight", "layers[1][*].bias"}


@pytest.mark.parametrize(
    ("new", "wrong"), [("d * c.weight", set()), ("d", HIDDEN_ONES)], ids=("right", "weights missing")
)
def test_neurons_that_hold_their_connections(tmp_path: Path, new: str, wrong: set[str]) -> None:
    code = CONNECTIONS.replace("error += d * c.weight", f"error += {new}")
    assert wrongly_moved(tmp_path, code, "Net") == wrong


def test_a_network_whose_weights_nobody_sees_is_not_judged_by_its_biases(tmp_path: Path) -> None:
    code = CONNECTIONS.replace("random.uniform(-1, 1)\n\n\n    class Neuron", "complex(0.5)\n\n\n    class Neuron")
    code = code.replace("sum(c.weight *", "sum(c.weight.real *").replace("d * c.weight", "d * c.weight.real")
    with pytest.raises(UsageError):
        judged(tmp_path, code)
