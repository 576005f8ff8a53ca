"""Constructors that want words, numbers of layers, lists as defaults, and training that asks for validation data."""

from __future__ import annotations

from pathlib import Path

from gdprops.subjects.backprop.as_written.string_choices import string_choices
from tests.subjects.backprop.judging import judged, wrongly_moved

WORDS = """
class Network:
    def __init__(self, num_layers, neurons_per_layer, num_inputs, loss_function, lr):
        self.loss_function, self.lr = loss_function, lr
        sizes = [num_inputs, *neurons_per_layer]
        self.weights = [np.random.randn(sizes[k], sizes[k + 1]) for k in range(num_layers)]
    def calculate(self, x):
        self.held = [x]
        for w in self.weights:
            self.held.append(np.tanh(self.held[-1] @ w))
        return self.held[-1]
    def slope(self, out, y):
        if self.loss_function == "square_error":
            return 2 * (out - y)
        raise ValueError(self.loss_function)
    def train(self, x, y, x_val=None, y_val=None):
        d = self.slope(self.calculate(x), y)
        for k in reversed(range(len(self.weights))):
            d = d * (1 - self.held[k + 1] ** 2)
            w = self.weights[k]{copied}
            self.weights[k] -= self.lr * self.held[k].T @ d
            d = d @ w.T
        return self.calculate(x_val)
"""


def test_words_numbers_of_layers_and_validation_data(tmp_path: Path) -> None:
    assert judged(tmp_path, WORDS.format(copied=".copy()")).verdict == "right"
    assert wrongly_moved(tmp_path, WORDS.format(copied=""), "Network") == {"weights[0]"}


LISTED = """
class Network:
    def __init__(self, hidden_size=[784, 100, 10], lr=0.1):
        self.w = [np.random.randn(a, b) for a, b in zip(hidden_size[:-1], hidden_size[1:])]
        self.lr = lr
    def forward(self, x):
        self.h = np.tanh(x @ self.w[0])
        return self.h @ self.w[1]
    def train(self, x, y):
        d = self.forward(x) - y
        back = d @ self.w[1].T * {slope}
        self.w[1] -= self.lr * self.h.T @ d
        self.w[0] -= self.lr * x.T @ back
"""


def test_a_list_of_sizes_as_a_default(tmp_path: Path) -> None:
    assert judged(tmp_path, LISTED.format(slope="(1 - self.h ** 2)")).verdict == "right"
    assert wrongly_moved(tmp_path, LISTED.format(slope="self.h"), "Network") == {"w[0]"}


class Knows:
    """Words in a comparison, in a tuple, in a match, and as keys."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def says(self, mode: str) -> int:
        """Return a number for a word."""
        if mode.lower() in ("fast", "slow"):
            return {"a": 1, "b": 2}[self.kind]
        match self.kind:
            case "c":
                return 3
        return 0


def test_words_are_read_from_comparisons_matches_and_keys() -> None:
    assert string_choices(Knows) == {"mode": ("fast", "slow"), "kind": ("c", "a", "b")}


UNIT = """
class Perceptron:
    def __init__(self, weights, bias, learning_rate=0.1):
        self.weights, self.bias, self.learning_rate = weights, bias, learning_rate
    def propagation(self, inputs):
        return np.where(np.dot(self.weights, inputs) + self.bias > 0, 1, 0)
    def learning(self, inputs, output):
        error = output - self.propagation(inputs)
        self.weights = [w + self.learning_rate * error * x for w, x in zip(self.weights, inputs)]
        self.bias = self.bias {sign} self.learning_rate * error
"""


def test_a_unit_that_is_made_of_its_weights_and_its_bias(tmp_path: Path) -> None:
    assert wrongly_moved(tmp_path, UNIT.format(sign="+"), "Perceptron") == set()
    assert judged(tmp_path, UNIT.format(sign="-"), examples=12).verdict == "wrong"
