"""Constructors that take descriptions of layers: lists of triples, of pairs, and of dicts."""

from __future__ import annotations

from pathlib import Path

import pytest

from gdprops.subjects.backprop.as_written.best_reading import tried
from gdprops.subjects.backprop.as_written.class_reading import class_readings
from gdprops.subjects.backprop.as_written.of_file import defined_in
from tests.subjects.backprop.judging import judged

CODE = """
def squash(name, z):
    return np.tanh(z) if name == "tanh" else 1 / (1 + np.exp(-z))
class Net:
    def __init__(self, {taken}):
        self.W, self.names = [], []
        {loop}
            assert isinstance(name, str)
            self.W.append(np.random.randn(b, a))
            self.names.append(name)
            n_in = b
    def forward(self, X):
        self.A = [X]
        for W, name in zip(self.W, self.names):
            self.A.append(squash(name, W @ self.A[-1]))
        return self.A[-1]
    def train(self, X, Y, lr):
        d = self.forward(X) - Y
        for k in reversed(range(len(self.W))):
            A = self.A[k + 1]
            d = d * (1 - A ** 2 if self.names[k] == "tanh" else A * (1 - A))
            step = lr * d @ self.A[k].T
            d = self.W[k].T @ d
            self.W[k] = self.W[k] - step
"""
FORMS = {
    "triples": ("layers", "for a, b, name in layers:"),
    "pairs": ("n_in, nn_architecture", "for b, name in nn_architecture:\n            a = n_in"),
    "dicts": ("layers", 'for a, b, name in ((i["input_dim"], i["output_dim"], i["activation"]) for i in layers):'),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_network_of_described_layers_is_made(tmp_path: Path, form: str) -> None:
    taken, loop = FORMS[form]
    code = CODE.format(taken=taken, loop=loop)
    assert judged(tmp_path, code, examples=4).verdict == "right"


def test_a_wrong_network_of_described_layers_is_wrong(tmp_path: Path) -> None:
    taken, loop = FORMS["dicts"]
    code = CODE.format(taken=taken, loop=loop).replace("d = self.W[k].T @ d", "d = self.W[k].T @ d * 2")
    (tmp_path / "net.py").write_text("import numpy as np\n" + code)
    fit = tried(class_readings(defined_in(str(tmp_path / "net.py")).own["Net"], {}))[0][0].fit
    assert fit is not None
    assert set(fit.names) - fit.right == {"W[0]"}
