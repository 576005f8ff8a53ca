"""Gradients that are returned biases first, where one unit does not tell its weights from its bias."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gdprops.subjects.backprop.as_written.given_gradients import order_of, returned_gradients
from tests.subjects.backprop.judging import judged, wrongly_moved

BIASES_FIRST = """
class Network:
    def __init__(self, sizes):
        self.weights = [np.random.randn(b, a) for a, b in zip(sizes[:-1], sizes[1:])]
        self.biases = [np.zeros((b, 1)) for b in sizes[1:]]
    def feedforward(self, a):
        for w, b in zip(self.weights, self.biases):
            a = np.tanh(w @ a + b)
        return a
    def backprop(self, x, y):
        held = [x]
        for w, b in zip(self.weights, self.biases):
            held.append(np.tanh(w @ held[-1] + b))
        delta, by_b, by_w = held[-1] - y, [], []
        for k in reversed(range(len(self.weights))):
            delta = delta * (1 - held[k + 1] ** 2)
            by_b.insert(0, {bias})
            by_w.insert(0, delta @ held[k].T)
            delta = self.weights[k].T @ delta
        return by_b, by_w
"""


def test_biases_that_are_returned_before_the_weights(tmp_path: Path) -> None:
    assert judged(tmp_path, BIASES_FIRST.format(bias="delta")).verdict == "right"
    assert wrongly_moved(tmp_path, BIASES_FIRST.format(bias="2 * delta"), "Network") == {"biases[0]", "biases[1]"}


def test_an_order_found_at_sizes_that_differ_is_kept_where_all_are_one() -> None:
    order = order_of((np.ones((4, 1)), np.ones((4, 3))), {"w": (4, 3), "b": (4, 1)})
    found = returned_gradients((np.full((1, 1), 2.0), np.full((1, 1), 3.0)), {"w": (1, 1), "b": (1, 1)}, order)
    assert found == {"w": [[3.0]], "b": [[2.0]]}
