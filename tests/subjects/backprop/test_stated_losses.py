"""Networks as classes with a method for the loss: where it decides, and that it is never taken for what trains."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.subjects.backprop.judging import judged

NET = """
    class Net:
        def __init__(self, n_in, n_hidden, n_out):
            self.W1 = np.random.randn(n_in, n_hidden)
            self.W2 = np.random.randn(n_hidden, n_out)

        def forward(self, X):
            self.h = np.tanh(X @ self.W1)
            return {output}

        def loss(self, X, y):
            {loss}

        def backward(self, X, y, lr=0.1):
            o = self.forward(X)
            d = {error}
            g2 = self.h.T @ d{more2}
            g1 = X.T @ (d @ self.W2.T * (1 - self.h**2)){more1}
            self.W1 -= lr * g1
            self.W2 -= lr * g2
"""
SCORES = "self.h @ self.W2"
SQUARES = "((self.W1**2).sum() + (self.W2**2).sum())"
RIDGE = f"return (np.sum((self.forward(X) - y) ** 2) / 2 + 0.05 * {SQUARES}) / len(X)"
SOFTMAX = "(lambda e: e / e.sum(axis=1, keepdims=True))(np.exp(self.h @ self.W2))"
ENTROPY = "return -np.mean(np.sum(y * np.log(self.forward(X)), axis=1))"
HUBER = "r = abs(self.forward(X) - y); return np.mean(np.where(r < 0.5, r**2 / 2, 0.5 * (r - 0.25)))"


def net(loss: str, error: str, output: str = SCORES, penalty: str = "") -> str:
    more = {f"more{k}": penalty and f" + {penalty} * self.W{k}" for k in (1, 2)}
    return NET.format(loss=loss, error=error, output=output, **more)


def test_a_penalty_that_the_loss_divides_and_the_step_does_not(tmp_path: Path) -> None:
    wrong = judged(tmp_path, net(RIDGE, "(o - y) / len(X)", penalty="0.1"), examples=4)
    told = "W1, W2: the penalty's 0.1 times the weights is not divided by the number of rows, and in the loss it is"
    assert (wrong.verdict, wrong.told) == ("wrong", told)


COURSE = """
    def forward_propagation(X, parameters):
        W1, b1, W2, b2 = (parameters[k] for k in ("W1", "b1", "W2", "b2"))
        A1 = np.tanh(np.dot(W1, X) + b1)
        A2 = 1 / (1 + np.exp(-(np.dot(W2, A1) + b2)))
        return A2, {{"A1": A1, "A2": A2}}

    def compute_cost(A2, Y, parameters, lambd=0.5):
        m = Y.shape[1]
        entropy = -np.sum(Y * np.log(A2) + (1 - Y) * np.log(1 - A2)) / m
        return entropy + lambd / (2 * m) * (np.sum(parameters["W1"] ** 2) + np.sum(parameters["W2"] ** 2))

    def backward_propagation(parameters, cache, X, Y, lambd=0.5):
        m = X.shape[1]
        dZ2 = cache["A2"] - Y
        dZ1 = np.dot(parameters["W2"].T, dZ2) * (1 - cache["A1"] ** 2)
        return {{
            "dW2": np.dot(dZ2, cache["A1"].T) / m + {share} * parameters["W2"],
            "db2": np.sum(dZ2, axis=1, keepdims=True) / m,
            "dW1": np.dot(dZ1, X.T) / m + {share} * parameters["W1"],
            "db1": np.sum(dZ1, axis=1, keepdims=True) / m,
        }}

    def update_parameters(parameters, grads, learning_rate=0.5):
        return {{k: parameters[k] - learning_rate * grads["d" + k] for k in parameters}}
"""


def test_a_penalty_is_held_to_the_cost_function_of_a_course(tmp_path: Path) -> None:
    """Nothing in the file makes parameters: their names are those that a loop of the forward pass goes through."""
    wrong = judged(tmp_path, COURSE.format(share="lambd"), examples=4)
    told = "W1, W2: the penalty's 0.5 times the weights is not divided by the number of rows, and in the loss it is"
    assert (wrong.verdict, wrong.told) == ("wrong", told)
    (tmp_path / "right").mkdir()
    right = judged(tmp_path / "right", COURSE.format(share="lambd / m"), examples=4)
    assert right.verdict == "right"
    assert "judged by the loss that the file itself computes" in right.notes


def test_a_loss_that_is_none_of_the_usual_ones_and_is_computed_in_a_method(tmp_path: Path) -> None:
    right = judged(tmp_path, net(HUBER, "np.clip(o - y, -0.5, 0.5) / y.size"))
    assert right.verdict == "right"
    assert "judged by the loss that the file itself computes" in right.notes


def test_an_error_at_the_output_that_belongs_to_no_loss(tmp_path: Path) -> None:
    wrong = judged(tmp_path, net(ENTROPY, "-y / o * o * (1 - o) / len(X)", SOFTMAX), examples=4)
    assert wrong.verdict == "wrong"
    assert "the derivative of softmax is taken as a (1 - a)" in wrong.told


HUBER_ERROR = "np.clip(o - y, -0.5, 0.5) / y.size"
WITH_PENALTY = HUBER.replace("0.25)))", f"0.25))) + 0.05 * {SQUARES}")


@pytest.mark.parametrize(("penalty", "verdict"), [("-0.1", "wrong"), ("0.1", "right"), ("0.2", "no verdict")])
def test_a_penalty_of_an_unusual_loss_with_the_wrong_sign(penalty: str, verdict: str, tmp_path: Path) -> None:
    """A decay that is larger than the loss's penalty may come from outside."""
    found = judged(tmp_path, net(WITH_PENALTY, HUBER_ERROR, penalty=penalty), examples=4)
    assert found.verdict == verdict
    if verdict == "wrong":
        assert found.told.startswith("W1, W2: the gradient lacks 0.2 times the weights themselves")


def test_a_hidden_layer_is_judged_by_an_unusual_loss_of_which_the_output_weights_are_right(tmp_path: Path) -> None:
    wrong = judged(tmp_path, net(HUBER, HUBER_ERROR).replace(" * (1 - self.h**2)", ""), examples=4)
    assert (wrong.verdict, wrong.told) == ("wrong", "W1: the derivative of tanh (line 9) is missing")


OVER_SAMPLES = SOFTMAX.replace("axis=1, keepdims=True", "axis=0")


def test_a_softmax_over_the_samples_is_constant_for_a_single_one(tmp_path: Path) -> None:
    wrong = judged(tmp_path, net(ENTROPY, "(o - y) / len(X)", OVER_SAMPLES), examples=4)
    assert wrong.verdict == "wrong"


@pytest.mark.nightly
@pytest.mark.parametrize(
    "code",
    [
        net(RIDGE, "(o - y) / len(X)", penalty="0.1 / len(X)"),
        net("return np.mean((self.forward(X) - y) ** 2)", "(o - y) / len(X)", penalty="0.1"),
        net("return np.mean(abs(self.forward(X) - y))", "(o - y) / len(X)"),
    ],
    ids=["the same penalty", "a loss without the penalty, to be printed", "another error, to be printed"],
)
def test_a_loss_that_is_printed_accuses_nobody(code: str, tmp_path: Path) -> None:
    assert judged(tmp_path, code).verdict == "right"


def test_a_rule_that_divides_by_sizes_is_not_held_to_the_loss(tmp_path: Path) -> None:
    """The first step of Adam is lr times the sign of every entry."""
    code = net("return np.mean((self.forward(X) - y) ** 2)", "2 * (o - y) / y.size")
    code = code.replace("lr * g1", "lr * g1 / (abs(g1) + 1e-8)").replace("lr * g2", "lr * g2 / (abs(g2) + 1e-8)")
    assert judged(tmp_path, code).verdict == "no verdict"


RECURRENT = """
    class Net:
        def __init__(self, n_in, n_hidden, n_out):
            self.U = np.random.randn(1, n_hidden) / 2
            self.V = np.random.randn(n_hidden, n_hidden) / 2
            self.W = np.random.randn(n_hidden, n_out) / 2

        def forward(self, X):
            self.h = [np.zeros((len(X), len(self.V)))]
            for t in range(X.shape[1]):
                self.h.append(np.tanh(X[:, t : t + 1] @ self.U + self.h[-1] @ self.V))
            return self.h[-1] @ self.W

        def train_step(self, X, y, lr=0.1):
            d = (self.forward(X) - y) / len(X)
            gU, gV, gW, e = 0 * self.U, 0 * self.V, self.h[-1].T @ d, d @ self.W.T
            for t in reversed(range(X.shape[1])):
                e = e * (1 - self.h[t + 1] ** 2)
                gU, gV, e = gU + X[:, t : t + 1].T @ e, gV + self.h[t].T @ e, e @ self.V.T
            self.U, self.V, self.W = self.U - lr * gU, self.V - lr * gV, self.W - lr * gW
"""


def test_a_parameter_counts_that_one_time_step_does_not_use(tmp_path: Path) -> None:
    assert judged(tmp_path, RECURRENT).verdict == "right"
