"""Functions that fix their sizes, and what they call their parameters and their cache."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from gdprops.subjects.backprop.as_written.reading import Reading
from gdprops.subjects.backprop.as_written.small_sizes import small_functions
from gdprops.subjects.user_code.definitions import Definitions
from tests.subjects.backprop.judging import judged, of_functions, wrongly_moved


def small(definitions: Definitions) -> Iterable[Reading]:
    return small_functions(definitions)


DIGITS = """
n = 30
def softmax(z):
    return np.exp(z) / np.exp(z).sum(axis=0)
def rand_params():
    w1, w2, w3 = np.random.rand(5, n) - 1, np.random.rand(5, 5) - 1, np.random.rand(10, 5)
    b1, b2, b3 = np.zeros((5, 1)), np.zeros((5, 1)), np.zeros((10, 1))
    return w1, b1, w2, b2, w3, b3
def forward_prop(X, w1, b1, w2, b2, w3, b3):
    A1 = np.tanh(w1 @ X + b1)
    A2 = np.tanh(w2 @ A1 + b2)
    A3 = softmax(w3 @ A2 + b3)
    return A1, A2, A3
def one_hot(labels):
    found = np.zeros((labels.size, 10))
    found[range(labels.size), labels.astype(int)] = 1
    return found.T
def backprop(X, Y, A1, A2, A3, w1, b1, w2, b2, w3, b3):
    dZ3 = np.clip(A3 - one_hot(Y), -50, 50)
    dZ2 = w3.T @ dZ3 * (1 - A2 ** 2)
    dZ1 = w2.T @ dZ2 * (1 - A1 ** 2)
    dw1, dw2, dw3 = dZ1 @ X.T, dZ2 @ A1.T, dZ3 @ A2.T
    db1, db2, db3 = (d.sum(axis=1, keepdims=True) for d in (dZ1, dZ2, dZ3))
    return dw1, db1, dw2, db2, dw3, db3
"""


def test_functions_for_ten_digits_are_judged_with_fewer_classes(tmp_path: Path) -> None:
    found = judged(tmp_path, DIGITS, examples=8)
    assert found.verdict == "right"
    assert "sizes that the code fixes are made small: 30 is 3, 10 is 4" in found.notes
    assert wrongly_moved(tmp_path, DIGITS.replace("w2.T @ dZ2", "w2 @ dZ2"), readings=small) == {"w1", "b1"}


CACHED = """
def initialize_parameters():
    return {"W1": np.random.randn(2, 3), "b1": np.zeros((1, 3)), "W2": np.random.randn(3, 1), "b2": np.zeros((1, 1))}
def forward_prop(X, parameters):
    A1 = np.tanh(X @ parameters["W1"] + parameters["b1"])
    A2 = 1 / (1 + np.exp(-(A1 @ parameters["W2"] + parameters["b2"])))
    return {"A1": A1, "A2": A2}
def backward_prop(X, y, forward_output, parameters):
    A1, A2, m = forward_output["A1"], forward_output["A2"], len(X)
    dZ2 = A2 - y.reshape(-1, 1)
    dZ1 = dZ2 @ parameters["W2"].T * (1 - A1 ** 2)
    return {"dW1": X.T @ dZ1 / m, "db1": dZ1.sum(axis=0) / m, "dW2": A1.T @ dZ2 / m, "db2": dZ2.sum(axis=0) / m}
def update_parameters(parameters, gradients, learning_rate=0.01):
    for name in parameters:
        parameters[name] -= learning_rate * gradients["d" + name]
    return parameters
"""


def test_what_the_forward_pass_returns_is_handed_on_by_any_name(tmp_path: Path) -> None:
    assert judged(tmp_path, CACHED, examples=4).verdict == "right"
    wrong = CACHED.replace(" * (1 - A1 ** 2)", "")
    assert wrongly_moved(tmp_path, wrong, readings=of_functions) == {"W1", "b1"}


ONE_MATRIX = """
def initialize_weights(K, n, random_state=None):
    weights = np.random.rand(K, n) - 0.5
    return weights
def predict(x, weights):
    e = np.exp(x @ weights.T)
    return e / e.sum(axis=1, keepdims=True)
def predictions(x, weights):
    return predict(x, weights).argmax(axis=1)
def cross_entropy(weights, x, t, alpha):
    return -np.sum(t * np.log(predict(x, weights))) / len(x) + alpha / 2 * np.sum(weights ** 2)
def cross_entropy_gradient(weights, x, t, alpha):
    return (predict(x, weights) - t).T @ x / len(x) + alpha * weights
"""


def test_functions_over_a_single_matrix(tmp_path: Path) -> None:
    assert judged(tmp_path, ONE_MATRIX, examples=4).verdict == "right"
    wrong = ONE_MATRIX.replace("(predict(x, weights) - t)", "(predict(x, weights) ** 2 - t)")
    assert wrongly_moved(tmp_path, wrong, readings=of_functions) == {"weights"}


COMPILED = """
from compiler_that_is_missing import jit
@jit(nopython=True)
def sigmoid(z):
    return 1 / (1 + np.exp(-z))
class Net:
    def __init__(self, sizes):
        self.w = [np.random.randn(b, a) for a, b in zip(sizes, sizes[1:])]
    def forward(self, x):
        self.a = [x]
        for w in self.w:
            self.a.append(sigmoid(w @ self.a[-1]))
        return self.a[-1]
    def train(self, x, y, lr):
        d = self.forward(x) - y
        for k in reversed(range(len(self.w))):
            d = d * self.a[k + 1] * (1 - self.a[k + 1])
            back = self.w[k].T @ d
            self.w[k] -= lr * d @ self.a[k].T
            d = back
"""


def test_a_compiler_that_is_not_installed_is_done_without(tmp_path: Path) -> None:
    assert wrongly_moved(tmp_path, COMPILED, "Net") == set()


COMPILED_FUNCTIONS = """
from compiler_that_is_missing import jit, njit
@njit(cache=True)
def forward(X, W1, b1, W2, b2):
    h = np.tanh(X @ W1 + b1)
    return h, h @ W2 + b2
@jit(nopython=True, parallel=True)
def train_step(X, y, W1, b1, W2, b2, lr):
    h, o = forward(X, W1, b1, W2, b2)
    d2 = o - y
    d1 = np.dot(d2, W2.T) * (1 - h * h)
    W2 -= lr * np.dot(h.T, d2)
    b2 -= lr * d2.sum(axis=0)
    W1 -= lr * np.dot(X.T, d1)
    b1 -= lr * d1.sum(axis=0)
"""


@pytest.mark.parametrize(("new", "wrong"), [("(1 - h * h)", set()), ("(1 - h)", {"W1", "b1"})], ids=("right", "wrong"))
def test_compiled_functions_are_judged_as_they_are_written(tmp_path: Path, new: str, wrong: set[str]) -> None:
    assert wrongly_moved(tmp_path, COMPILED_FUNCTIONS.replace("(1 - h * h)", new), readings=of_functions) == wrong


ONE_OUTPUT = """
def forward(X, W1, W2):
    A1 = np.tanh(X @ W1)
    return A1, A1 @ W2
def backward(X, y, A1, out):
    d = (out - y) / len(y)
    return X.T @ (d @ W2.T * (1 - A1 ** 2)), A1.T @ d
"""


def test_functions_that_train_with_one_output_alone_are_judged_with_it(tmp_path: Path) -> None:
    """The derivative at the wrong place has the shape of the outputs: it fits where there is one."""
    wrong = ONE_OUTPUT.replace("(1 - A1 ** 2)", "(1 - out ** 2)")
    assert wrongly_moved(tmp_path, wrong, readings=of_functions) == {"W1"}
