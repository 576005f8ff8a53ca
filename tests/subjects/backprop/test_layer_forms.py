"""What layers look like: pairs of functions, layers with a share that is dropped, losses that are no layers."""

from __future__ import annotations

from pathlib import Path

import pytest

from gdprops.errors import UsageError
from tests.subjects.backprop.judging import judged

PAIRS = """
def affine_forward(x, w, b):
    return x @ w + b, (x, w, b)
def affine_backward(dout, cache):
    x, w, b = cache
    dx = dout @ w.T
    dw = x.T @ dout
    db = {db}
    return dx, dw, db
def relu_forward(x):
    return np.maximum(0, x), x
def relu_backward(dout, cache):
    return dout * (cache > 0)
def dropout_forward(x, dropout_param):
    mask = (np.random.rand(*x.shape) < dropout_param["p"]) / dropout_param["p"]
    return x * mask, mask
def dropout_backward(dout, cache):
    return dout * cache
def sigmoid(z):
    return 1 / (1 + np.exp(-z))
"""


def test_pairs_of_functions_are_layers(tmp_path: Path) -> None:
    found = judged(tmp_path, PAIRS.format(db="dout.sum(axis=0)"))
    assert found.verdict == "right"
    assert "layers, each with J = Σ c · forward(x): affine, relu, dropout" in found.notes


def test_a_wrong_pair_of_functions(tmp_path: Path) -> None:
    found = judged(tmp_path, PAIRS.format(db="dout.mean(axis=0)"))
    assert found.verdict == "wrong"
    assert "wrong, first at step 1: affine.b; right in every example: affine.w, affine.x, relu.x" in found.told
    assert found.lines == (9,)


DENSE = """
class Dense:
    def __init__(self, n_in, n_out):
        self.w = np.random.randn(n_in, n_out)
    def forward(self, x):
        self.x = x
        return x @ self.w
    def backward(self, grad, lr):
        back = grad @ self.w.T
        self.w -= lr * self.x.T @ grad
        return back
"""


def test_the_rate_of_a_layer_without_parameters_is_the_share_that_it_drops(tmp_path: Path) -> None:
    drop = """
class Dropout:
    def __init__(self, rate):
        self.rate = 1 - rate
    def forward(self, x):
        self.mask = np.random.binomial(1, self.rate, size=x.shape) / self.rate
        return x * self.mask
    def backward(self, grad):
        return grad * self.mask
"""
    assert judged(tmp_path, DENSE + drop).verdict == "right"


def test_a_class_that_compares_with_targets_is_no_layer(tmp_path: Path) -> None:
    loss = """
class MeanSquaredLoss:
    def forward(self, out, y_true):
        return np.mean((out - y_true) ** 2, axis=-1)
    def backward(self, dvalues, y_true):
        self.dinputs = 2 * (dvalues - y_true) / y_true.size
"""
    found = judged(tmp_path, DENSE + loss)
    assert found.verdict == "right"
    assert "J = Σ c · forward(x): Dense;" in f"{found.notes};"
    assert "MeanSquaredLoss compares with targets: it is a loss, and was not judged as a layer" in found.notes


SOFTMAX = """
class Softmax:
    def __init__(self, n_in, n_out):
        self.w = np.random.randn(n_in, n_out)
    def forward(self, x):
        self.x = x
        e = np.exp(x @ self.w)
        self.out = e / e.sum()
        return self.out
    def backprop(self, grad, lr):
        for k, g in enumerate(grad):
            if g == 0:
                continue
            d = -self.out[k] * self.out
            d[k] {slope}
            back = self.w @ (g * d)
            self.w -= lr * np.outer(self.x, g * d)
            return back
"""


def test_a_layer_for_one_label_gets_no_verdict(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Softmax is right where one entry alone of the gradient is not 0"):
        judged(tmp_path, SOFTMAX.format(slope="+= self.out[k]"))


def test_a_layer_that_is_wrong_for_one_label_too(tmp_path: Path) -> None:
    assert judged(tmp_path, SOFTMAX.format(slope="+= 1")).verdict == "wrong"


def test_a_layer_that_mixes_the_rows_of_a_batch_is_meant_for_one_row(tmp_path: Path) -> None:
    code = """
class Softmax:
    def forward(self, x):
        e = np.exp(x)
        self.y = e / e.sum()
        return self.y
    def backward(self, grad):
        y = self.y[0]
        return grad @ (np.diag(y) - np.outer(y, y))
"""
    found = judged(tmp_path, code, examples=60)  # about two fifths of them decide
    assert found.verdict == "right"
    assert "Softmax: one sample at a time, as a row" in found.notes


def test_a_normalizing_layer_is_not_judged_by_one_row(tmp_path: Path) -> None:
    code = """
class Norm:
    def __init__(self, n_in):
        self.gamma, self.beta = np.ones(n_in), np.zeros(n_in)
    def forward(self, x):
        self.s = 1 / np.sqrt(x.var(axis=0) + 1e-3)
        self.z = (x - x.mean(axis=0)) * self.s
        return self.gamma * self.z + self.beta
    def backward(self, grad):
        self.dgamma, self.dbeta = (grad * self.z).sum(axis=0), grad.sum(axis=0)
        d = grad * self.gamma
        return self.s * (d - self.z * (d * self.z).mean(axis=0))
"""
    found = judged(tmp_path, code, examples=4)
    assert found.verdict == "wrong"
    assert "Norm.x" in found.told
    assert "Norm: one" not in found.notes


def test_a_layer_whose_bias_would_leave_a_batch_in_another_shape_is_meant_for_one_sample(tmp_path: Path) -> None:
    code = """
class Dense:
    def __init__(self, n_in, n_out):
        self.w, self.b = np.random.randn(n_in, n_out), np.zeros((1, n_out))
    def __call__(self, x):
        self.x = x
        return x @ self.w + self.b
    def backprop(self, dE_dy, lr):
        back = dE_dy @ self.w.T
        self.w = self.w - lr * self.x.T @ dE_dy
        self.b = self.b - lr * dE_dy
        return back
"""
    found = judged(tmp_path, code, examples=3)
    assert found.verdict == "right"
    assert "Dense: one sample at a time, as a row" in found.notes
