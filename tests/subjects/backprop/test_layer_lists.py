"""Constructors that take descriptions of layers: lists of triples, of pairs, and of dicts."""

from __future__ import annotations

from pathlib import Path

import pytest

from gdprops.subjects.backprop.as_written.best_reading import tried
from gdprops.subjects.backprop.as_written.class_reading import class_readings
from gdprops.subjects.backprop.as_written.of_file import defined_in
from tests.subjects.backprop.judging import judged, of_functions, wrongly_moved

CODE = """
def squash(name, z):
    return np.tanh(z) if name == "tanh" else 1 / (1 + np.exp(-z))
class Net:
    def __init__(self, {taken}):
        self.W, self.names = [], []
        {loop}
            assert isinstance(name, str)
            self.W.append(np.random.randn(b, a))
            self.names.append(name)
            n_in = b
    def forward(self, X):
        self.A = [X]
        for W, name in zip(self.W, self.names):
            self.A.append(squash(name, W @ self.A[-1]))
        return self.A[-1]
    def train(self, X, Y, lr):
        d = self.forward(X) - Y
        for k in reversed(range(len(self.W))):
            A = self.A[k + 1]
            d = d * (1 - A ** 2 if self.names[k] == "tanh" else A * (1 - A))
            step = lr * d @ self.A[k].T
            d = self.W[k].T @ d
            self.W[k] = self.W[k] - step
"""
FORMS = {
    "triples": ("layers", "for a, b, name in layers:"),
    "pairs": ("n_in, nn_architecture", "for b, name in nn_architecture:\n            a = n_in"),
    "dicts": ("layers", 'for a, b, name in ((i["input_dim"], i["output_dim"], i["activation"]) for i in layers):'),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_network_of_described_layers_is_made(tmp_path: Path, form: str) -> None:
    taken, loop = FORMS[form]
    code = CODE.format(taken=taken, loop=loop)
    assert judged(tmp_path, code, examples=4).verdict == "right"


def test_a_wrong_network_of_described_layers_is_wrong(tmp_path: Path) -> None:
    taken, loop = FORMS["dicts"]
    code = CODE.format(taken=taken, loop=loop).replace("d = self.W[k].T @ d", "d = self.W[k].T @ d * 2")
    (tmp_path / "net.py").write_text("import numpy as np\n" + code)
    fit = tried(class_readings(defined_in(str(tmp_path / "net.py")).own["Net"], {}))[0][0].fit
    assert fit is not None
    assert set(fit.names) - fit.right == {"W[0]"}


OWN_WORDS = """
class Net:
    def __init__(self, layers):
        self.layers = [
            {"W": np.random.randn(n_in, n_out), "b": np.zeros(n_out), "act": act} for n_in, n_out, act in layers
        ]
    def forward(self, X):
        for layer in self.layers:
            layer["x"] = X
            layer["z"] = X @ layer["W"] + layer["b"]
            e = np.exp(layer["z"])
            X = np.maximum(0, layer["z"]) if layer["act"] == "relu" else e / e.sum(axis=1, keepdims=True)
        return X
    def train(self, X, Y, lr):
        d = (self.forward(X) - Y) / len(X)
        for i in range(len(self.layers) - 1, -1, -1):
            layer = self.layers[i]
            dW, db = layer["x"].T @ d, d.sum(axis=0)
            if i > 0:
                d = d @ layer["W"].T * (self.layers[i - 1]["z"] > 0)
            layer["W"] -= lr * dW
            layer["b"] -= lr * db
net = Net([(784, 30, "relu"), (30, 20, "relu"), (20, 10, "softmax")])
"""


@pytest.mark.parametrize(
    ("new", "wrong"),
    [(' * (self.layers[i - 1]["z"] > 0)', set()), ("", {"layers[0]['W']", "layers[0]['b']"})],
    ids=("right", "wrong"),
)
def test_the_activations_of_layers_are_those_of_the_file(tmp_path: Path, new: str, wrong: set[str]) -> None:
    """A softmax in the middle, which nobody wrote, would make right code wrong."""
    assert wrongly_moved(tmp_path, OWN_WORDS.replace(' * (self.layers[i - 1]["z"] > 0)', new), "Net") == wrong


ARCHITECTURE = """
NN_ARCHITECTURE = [
    {"input_dim": 2, "output_dim": 25, "activation": "relu"},
    {"input_dim": 25, "output_dim": 1, "activation": "sigmoid"},
]
def init_layers(nn_architecture, seed=99):
    params_values = {}
    for k, layer in enumerate(nn_architecture, 1):
        params_values["W" + str(k)] = np.random.randn(layer["output_dim"], layer["input_dim"]) * 0.1
        params_values["b" + str(k)] = np.random.randn(layer["output_dim"], 1) * 0.1
    return params_values
def full_forward_propagation(X, params_values, nn_architecture):
    memory, A = {}, X
    for k, layer in enumerate(nn_architecture, 1):
        memory["A" + str(k - 1)] = A
        Z = memory["Z" + str(k)] = params_values["W" + str(k)] @ A + params_values["b" + str(k)]
        A = np.maximum(0, Z) if layer["activation"] == "relu" else 1 / (1 + np.exp(-Z))
    return A, memory
def full_backward_propagation(Y_hat, Y, memory, params_values, nn_architecture):
    grads_values, m = {}, Y.shape[1]
    dA = -(Y / Y_hat - (1 - Y) / (1 - Y_hat))
    for k in range(len(nn_architecture), 0, -1):
        Z = memory["Z" + str(k)]
        s = 1 / (1 + np.exp(-Z))
        dZ = dA * (Z > 0) if nn_architecture[k - 1]["activation"] == "relu" else dA * s * (1 - s)
        grads_values["dW" + str(k)] = dZ @ memory["A" + str(k - 1)].T / m
        grads_values["db" + str(k)] = dZ.sum(axis=1, keepdims=True) / m
        dA = params_values["W" + str(k)].T @ dZ
    return grads_values
def update(params_values, grads_values, nn_architecture, learning_rate):
    for k, layer in enumerate(nn_architecture, 1):
        for name in "Wb":
            params_values[name + str(k)] -= learning_rate * grads_values["d" + name + str(k)]
    return params_values
"""


@pytest.mark.parametrize(("new", "wrong"), [("dA * (Z > 0)", set()), ("dA", {"W1", "b1"})], ids=("right", "wrong"))
def test_functions_over_an_architecture(tmp_path: Path, new: str, wrong: set[str]) -> None:
    """What makes the parameters is also what the other functions ask for, by the same name."""
    code = ARCHITECTURE.replace("dA * (Z > 0)", new)
    assert wrongly_moved(tmp_path, code, readings=of_functions) == wrong
