"""Parameters that an object holds twice: with the bias as a row, and without it."""

from __future__ import annotations

from pathlib import Path

from tests.subjects.backprop.judging import judged, wrongly_moved

HELD_TWICE = """
def sigmoid(z):
    return 1 / (1 + np.exp(-z))
class Network:
    def __init__(self, n_in, n_hidden, n_out):
        self.full = [np.random.randn(n_in + 1, n_hidden), np.random.randn(n_hidden + 1, n_out)]
        self.weights = [w[:-1].copy() for w in self.full]
    def predict(self, x):
        for w in self.full:
            x = sigmoid(np.append(x, 1) @ w)
        return x
    def train(self, x, y, learning_rate):
        x = np.append(x, 1)
        hidden = np.append(sigmoid(x @ self.full[0]), 1)
        out = sigmoid(hidden @ self.full[1])
        delta = (out - y) * out * (1 - out)
        back = {back} * hidden[:-1] * (1 - hidden[:-1])
        self.full[1] -= learning_rate * np.outer(hidden, delta)
        self.full[0] -= learning_rate * np.outer(x, back)
        self.weights = [w[:-1].copy() for w in self.full]
"""


def test_the_weights_without_their_biases_go_with_those_that_have_them(tmp_path: Path) -> None:
    assert judged(tmp_path, HELD_TWICE.format(back="(self.weights[1] @ delta)")).verdict == "right"
    wrong = HELD_TWICE.format(back="(self.weights[1] @ (2 * delta))")
    assert wrongly_moved(tmp_path, wrong, "Network") == {"full[0]"}
