"""Right networks as source, of every form, with any of the losses, also ones that nobody tries to find.

``right_network(seed)`` draws the form, the activations, the loss, how it is scaled, a penalty and the learning rate.
The gradients are those of the loss by hand, so none of these files may be accused.
"""

from __future__ import annotations

import random
from textwrap import indent

HIDDEN = {
    "np.tanh({})": "(1 - h ** 2)",
    "1 / (1 + np.exp(-({})))": "h * (1 - h)",
    "np.maximum({}, 0)": "(h > 0)",
    "np.log(1 + np.exp({}))": "(1 - np.exp(-h))",
}
OUTPUT = {
    "linear": ("z", "1.0"),
    "sigmoid": ("1 / (1 + np.exp(-z))", "out * (1 - out)"),
    "tanh": ("np.tanh(z)", "(1 - out ** 2)"),
    "softmax": ("np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)", ""),
}
LOSSES = {  # by the output's activation: dJ/dz of the sum over rows and outputs
    "squares": (("linear", "sigmoid", "tanh"), "(out - y) * {slope}"),
    "twice the squares": (("linear", "sigmoid"), "2 * (out - y) * {slope}"),
    "cross-entropy": (("sigmoid", "softmax"), "out - y"),
    "Huber": (("linear",), "np.clip(out - y, -0.3, 0.3)"),
    "hinge": (("linear",), "-(2 * y - 1) * ((2 * y - 1) * out < 1)"),
    "log cosh": (("linear", "tanh"), "np.tanh(out - y) * {slope}"),
    "fourth powers": (("linear", "sigmoid"), "(out - y) ** 3 * {slope}"),
    "absolute differences": (("linear",), "np.sign(out - y)"),
    "focal": (
        ("sigmoid",),
        "(2 * (1 - (1 - abs(out - y))) * np.log(1 - abs(out - y)) - abs(out - y) ** 2 / (1 - abs(out - y)))"
        " * out * (1 - out) * (2 * y - 1)",
    ),
}
FOUND = 3
"""So many of the losses are among those that are tried; every other network descends one of the rest."""
SCALES = ("", " / len(X)", " / y.size")
CLASS = """
class Net:
    def __init__(self, n_in, n_hidden, n_out, lr={lr}):
        self.W1, self.b1 = np.random.randn(n_in, n_hidden), np.zeros((1, n_hidden))
        self.W2, self.b2 = np.random.randn(n_hidden, n_out), np.zeros((1, n_out))
        self.lr = lr
    def forward(self, X):
        self.h = h = {hidden}
        z = h @ self.W2 + self.b2
        return {out}
    def train(self, X, y):
        out = self.forward(X)
        h = self.h
        d = ({loss}){scale}
        back = d @ self.W2.T * {slope_h}
        gW1, gW2 = X.T @ back{pW1}, h.T @ d{pW2}
        self.W2 -= self.lr * gW2
        self.b2 -= self.lr * d.sum(axis=0, keepdims=True)
        self.W1 -= self.lr * gW1
        self.b1 -= self.lr * back.sum(axis=0, keepdims=True)
"""
LATE = """
class Net:
    def __init__(self, hidden=4, lr={lr}, epochs=100):
        self.hidden, self.lr, self.epochs = hidden, lr, epochs
    def fit(self, X, y):
        self.W1, self.b1 = np.random.randn(X.shape[1], self.hidden), np.zeros((1, self.hidden))
        self.W2, self.b2 = np.random.randn(self.hidden, y.shape[1]), np.zeros((1, y.shape[1]))
        for _ in range(self.epochs):
            h = {hidden}
            z = h @ self.W2 + self.b2
            out = {out}
            d = ({loss}){scale}
            back = d @ self.W2.T * {slope_h}
            gW1, gW2 = X.T @ back{pW1}, h.T @ d{pW2}
            self.W1, self.W2 = self.W1 - self.lr * gW1, self.W2 - self.lr * gW2
            self.b1 = self.b1 - self.lr * back.sum(axis=0, keepdims=True)
            self.b2 = self.b2 - self.lr * d.sum(axis=0, keepdims=True)
    def predict(self, X):
        h = {hidden}
        z = h @ self.W2 + self.b2
        return {out}
"""
DICT = """
def init_params(n_x, n_h, n_y):
    return {{"W1": np.random.randn(n_x, n_h), "b1": np.zeros((1, n_h)),
            "W2": np.random.randn(n_h, n_y), "b2": np.zeros((1, n_y))}}
def forward(X, params):
    W1, b1, W2, b2 = params["W1"], params["b1"], params["W2"], params["b2"]
    h = {hidden}
    z = h @ W2 + b2
    out = {out}
    return out, {{"h": h, "out": out}}
def backward(params, cache, X, y):
    W1, W2, h, out = params["W1"], params["W2"], cache["h"], cache["out"]
    d = ({loss}){scale}
    back = d @ W2.T * {slope_h}
    return {{"dW1": X.T @ back{pW1}, "db1": back.sum(axis=0, keepdims=True),
            "dW2": h.T @ d{pW2}, "db2": d.sum(axis=0, keepdims=True)}}
def update(params, grads, learning_rate={lr}):
    return {{name: params[name] - learning_rate * grads["d" + name] for name in params}}
"""
ARRAYS = """
def forward(X, W1, b1, W2, b2):
    h = {hidden}
    z = h @ W2 + b2
    return h, {out}
def train(X, y, W1, b1, W2, b2, lr={lr}):
    h, out = forward(X, W1, b1, W2, b2)
    d = ({loss}){scale}
    back = d @ W2.T * {slope_h}
    gW1, gW2 = X.T @ back{pW1}, h.T @ d{pW2}
    W1, b1 = W1 - lr * gW1, b1 - lr * back.sum(axis=0, keepdims=True)
    W2, b2 = W2 - lr * gW2, b2 - lr * d.sum(axis=0, keepdims=True)
    return W1, b1, W2, b2
"""
SCRIPT = """
X, y = np.random.rand(20, 3), np.random.rand(20, 2).round()
W1, b1 = np.random.randn(3, 5), np.zeros((1, 5))
W2, b2 = np.random.randn(5, 2), np.zeros((1, 2))
lr = {lr}
for i in range(1000):
    h = {hidden}
    z = h @ W2 + b2
    out = {out}
    d = ({loss}){scale}
    back = d @ W2.T * {slope_h}
    gW1, gW2 = X.T @ back{pW1}, h.T @ d{pW2}
    W1 -= lr * gW1
    b1 -= lr * back.sum(axis=0, keepdims=True)
    W2 -= lr * gW2
    b2 -= lr * d.sum(axis=0, keepdims=True)
"""
FUNCTION = "def build(X, y, units=5, steps=1000):\n" + indent(
    SCRIPT.replace("X, y = np.random.rand(20, 3), np.random.rand(20, 2).round()\n", "")
    .replace("randn(3, 5)", "randn(X.shape[1], units)")
    .replace("zeros((1, 5))", "zeros((1, units))")
    .replace("randn(5, 2)", "randn(units, y.shape[1])")
    .replace("zeros((1, 2))", "zeros((1, y.shape[1]))"),
    "    ",
)
LISTS = """
class Network:
    def __init__(self, sizes):
        self.weights = [np.random.randn(a, b) for a, b in zip(sizes, sizes[1:])]
        self.biases = [np.zeros((1, b)) for b in sizes[1:]]
    def feedforward(self, X):
        h = {hidden}
        self.h = h
        z = h @ self.weights[1] + self.biases[1]
        return {out}
    def backprop(self, X, y, eta={lr}):
        out = self.feedforward(X)
        h = self.h
        d = ({loss}){scale}
        back = d @ self.weights[1].T * {slope_h}
        grads = [X.T @ back{pW1}, h.T @ d{pW2}]
        sums = [back.sum(axis=0, keepdims=True), d.sum(axis=0, keepdims=True)]
        for k in range(2):
            self.weights[k] = self.weights[k] - eta * grads[k]
            self.biases[k] = self.biases[k] - eta * sums[k]
"""
FORMS = {
    "a class": (CLASS, "self.W1", "self.b1", "self.W2"),
    "made in fit": (LATE, "self.W1", "self.b1", "self.W2"),
    "functions over a dict": (DICT, "W1", "b1", "W2"),
    "separate arrays": (ARRAYS, "W1", "b1", "W2"),
    "a script": (SCRIPT, "W1", "b1", "W2"),
    "a loop in a function": (FUNCTION, "W1", "b1", "W2"),
    "lists": (LISTS, "self.weights[0]", "self.biases[0]", "self.weights[1]"),
}


def right_network(seed: int) -> str:
    """Return the source of a right network; its first line tells what was drawn."""
    rng = random.Random(seed)
    form = list(FORMS)[seed % len(FORMS)]
    text, w1, b1, w2 = FORMS[form]
    number = seed // len(FORMS)
    losses = list(LOSSES)[:FOUND] if number % 2 else list(LOSSES)[FOUND:]
    loss = losses[number // 2 % len(losses)]
    activations, slope = LOSSES[loss]
    activation, hidden = rng.choice(activations), rng.choice(list(HIDDEN))
    out, slope_out = OUTPUT[activation]
    scale, penalty, lr = rng.choice(SCALES), rng.choice(("", "", "0.1")), rng.choice((0.1, 0.5, 0.03))
    drawn = {
        "hidden": hidden.format(f"X @ {w1} + {b1}"),
        "out": out,
        "loss": slope.format(slope=slope_out),
        "scale": scale,
        "slope_h": HIDDEN[hidden],
        "pW1": f" + {penalty} * {w1}" if penalty else "",
        "pW2": f" + {penalty} * {w2}" if penalty else "",
        "lr": lr,
    }
    told = f"{form}; {loss}{scale}; {activation}; {hidden.format('…')}; penalty {penalty or 'none'}"
    return f"# RIGHT: {told}\nimport numpy as np\n{text.format(**drawn)}"
