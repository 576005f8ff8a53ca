"""Constructors that take a dict of sizes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gdprops.subjects.backprop.as_written.config_dicts import entries, entries_of, looked_up
from tests.subjects.backprop.judging import wrongly_moved

CODE = """
    CONFIG = {"n_inputs": 784, "hidden": 30, "n_outputs": 10, "scale": 0.5}


    class Net:
        def __init__(self, config):
            self.lr = config.get("learning_rate", 0.5)
            n_in, n_h, n_out = config["n_inputs"], config["hidden"], config["n_outputs"]
            self.W1, self.b1 = config["scale"] * np.random.randn(n_in, n_h), np.zeros(n_h)
            self.W2, self.b2 = config["scale"] * np.random.randn(n_h, n_out), np.zeros(n_out)

        def forward(self, X):
            self.h = np.tanh(X @ self.W1 + self.b1)
            return self.h @ self.W2 + self.b2

        def train(self, X, y):
            d = self.forward(X) - y
            dh = d @ self.W2.T * (1 - self.h ** 2)
            self.W2 -= self.lr * self.h.T @ d
            self.b2 -= self.lr * d.sum(0)
            self.W1 -= self.lr * X.T @ dh
            self.b1 -= self.lr * dh.sum(0)
"""


@pytest.mark.parametrize(
    ("new", "wrong"), [(" * (1 - self.h ** 2)", set()), ("", {"W1", "b1"})], ids=("right", "wrong")
)
def test_a_network_is_made_from_a_dict_of_sizes(tmp_path: Path, new: str, wrong: set[str]) -> None:
    assert wrongly_moved(tmp_path, CODE.replace(" * (1 - self.h ** 2)", new), "Net") == wrong


def made(config: Any, name: str) -> Any:
    return config["n_in"], config.get("rate"), config.get("mode", "plain"), name


OWN = {"n_in": 5, "rate": 0.25, "mode": "other"}


def test_what_is_looked_up_without_a_default_must_be_there() -> None:
    assert looked_up(made, "config") == [("n_in", "5"), ("rate", "0.25")]


def test_entries_get_what_they_mean_or_the_value_of_the_file() -> None:
    what = entries([("n_in", "in", "5"), ("scale", None, "0.5"), ("unknown", None, "")])
    assert entries_of(what) == [("n_in", "in"), ("scale", "literal of 0.5")]
