"""A penalty on a vector of weights, which in a network of two inputs holds two numbers only."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.subjects.backprop.judging import of_functions, wrongly_moved

CODE = """
    def predict(X, w, b):
        return 1 / (1 + np.exp(-(X @ w + b)))


    def train(X, y, w, b, lr, lam=0.5):
        m, p = len(y), predict(X, w, b)
        dw = X.T @ (p - y) / m + lam / m * w
        db = np.sum(p - y) / m
        return w - lr * dw, b - lr * db
"""


@pytest.mark.parametrize(
    ("new", "wrong"), [("np.sum(p - y) / m", set()), ("np.sum(p - y)", {"b"})], ids=("right", "bias a sum")
)
def test_logistic_regression_with_a_penalty_is_judged(tmp_path: Path, new: str, wrong: set[str]) -> None:
    assert wrongly_moved(tmp_path, CODE.replace("np.sum(p - y) / m", new), readings=of_functions) == wrong
