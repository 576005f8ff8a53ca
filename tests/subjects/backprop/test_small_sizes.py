"""Classes that fix the sizes of MNIST: they are judged with small ones in their place, and that is told."""

from __future__ import annotations

from pathlib import Path

from tests.subjects.backprop.judging import judged, wrongly_moved

CODE = """
class Net:
    def __init__(self, hidden_dim):
        self.W1 = np.random.randn(784, hidden_dim)
        self.W2 = np.random.randn(hidden_dim, 10)
    def forward(self, x):
        self.h = np.tanh(x.reshape(len(x), 784) @ self.W1)
        return self.h @ self.W2
    def backward(self, x, y, lr):
        d2 = (self.forward(x) - y) / 10
        d1 = d2 @ self.W2.T * (1 - self.h ** 2)
        self.W2 -= lr * self.h.T @ d2
        self.W1 -= lr * x.T @ d1
"""


def test_a_class_with_784_inputs_is_judged_with_a_few(tmp_path: Path) -> None:
    found = judged(tmp_path, CODE, examples=4)
    assert found.verdict == "right"
    assert "sizes that the code fixes are made small: 784 is 3, 10 is 4" in found.notes
    assert wrongly_moved(tmp_path, CODE.replace(" * (1 - self.h ** 2)", ""), "Net") == {"W1"}


def test_a_network_of_which_only_the_hidden_units_are_chosen_keeps_its_inputs(tmp_path: Path) -> None:
    found = judged(tmp_path, CODE.replace("784", "5").replace("10", "2"), examples=4)
    assert found.verdict == "right"
    assert "made small" not in found.notes
