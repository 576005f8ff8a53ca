"""Right gradients that another function applies wrongly, or in a way of its own: the update is judged with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.subjects.backprop.judging import judged

COURSE = """
def initialize_parameters(n_x, n_h, n_y):
    return {{"W1": np.random.randn(n_x, n_h), "b1": np.zeros((1, n_h)), "W2": np.random.randn(n_h, n_y)}}
def forward_propagation(X, parameters):
    A1 = np.tanh(X @ parameters["W1"] + parameters["b1"])
    A2 = A1 @ parameters["W2"]
    return A2, (A1, A2)
def compute_cost(A2, Y):
    return np.sum((A2 - Y) ** 2) / len(Y)
def backward_propagation(parameters, cache, X, Y):
    A1, A2 = cache
    dA2 = 2 * (A2 - Y) / len(Y)
    dZ1 = dA2 @ parameters["W2"].T * (1 - A1 ** 2)
    return {{"dW1": X.T @ dZ1, "db1": dZ1.sum(axis=0, keepdims=True), "dW2": A1.T @ dA2}}
def update_parameters(parameters, grads, learning_rate=0.1):
    for name in ("W1", "b1", "W2"):
        {update}
    return parameters
"""
RIGHT = "parameters[name] = parameters[name] - learning_rate * grads['d' + name]"
WRONG = {
    "one sign": (RIGHT.replace(" - ", " + (-1) ** (name != 'b1') * "), "b1: moved the other way"),
    "every sign": (RIGHT.replace(" - ", " + "), "the step climbs: the gradient's sign is flipped"),
    "a bias along itself": (
        RIGHT.replace("grads", "(grads if name != 'b1' else {'db1': parameters[name]})"),
        "b1: moved along 1 times the weights themselves, and not along the gradient",
    ),
}


@pytest.mark.parametrize(("update", "told"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_update_of_right_gradients(tmp_path: Path, update: str, told: str) -> None:
    found = judged(tmp_path, COURSE.format(update=update))
    assert found.verdict == "wrong"
    assert told in found.told


def test_an_update_of_another_rule_is_told_and_not_judged(tmp_path: Path) -> None:
    update = "parameters[name] = parameters[name] - learning_rate * np.sign(grads['d' + name])"
    found = judged(tmp_path, COURSE.format(update=update))
    assert found.verdict == "right"
    assert "it moves otherwise than along these gradients, and was not judged" in found.notes


BOTH = """
class TwoLayerNet:
    def __init__(self, input_size, hidden_size, output_size):
        self.params = {{"W1": np.random.randn(input_size, hidden_size), "b1": np.zeros(hidden_size),
                       "W2": np.random.randn(hidden_size, output_size)}}
    def loss(self, X, y=None, reg=0.0):
        W1, b1, W2 = self.params["W1"], self.params["b1"], self.params["W2"]
        hidden = np.maximum(0, X @ W1 + b1)
        scores = hidden @ W2
        if y is None:
            return scores
        probs = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        loss = -np.log(probs[np.arange(len(X)), y]).mean() + reg * (np.sum(W1 * W1) + np.sum(W2 * W2))
        probs[np.arange(len(X)), y] -= 1
        {divide}
        back = probs @ W2.T * (hidden > 0)
        return loss, {{"W1": X.T @ back + 2 * reg * W1, "b1": back.sum(axis=0), "W2": hidden.T @ probs + 2 * reg * W2}}
    def train(self, X, y, learning_rate=1e-3, reg=5e-6, num_iters=100, batch_size=200):
        for it in range(num_iters):
            batch = np.random.choice(len(X), batch_size)
            loss, grads = self.loss(X[batch], y[batch], reg)
            for name in self.params:
                self.params[name] -= learning_rate * grads[name]
"""


@pytest.mark.parametrize(
    ("divide", "verdict"),
    [
        # two of five runs of many tests in several processes gave no verdict here; alone it never does
        pytest.param("probs /= len(X)", "right", marks=pytest.mark.nightly),
        ("pass", "wrong"),
    ],
)
def test_a_loss_that_returns_its_gradients_beside_training_on_random_batches(
    tmp_path: Path, divide: str, verdict: str
) -> None:
    found = judged(tmp_path, BOTH.format(divide=divide))
    assert found.verdict == verdict, (found.told, found.notes)
    assert "judged by the loss that the file itself computes" in found.notes
