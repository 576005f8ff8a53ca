"""Where layers leave their gradients: returned in any place, beside the parameter, under a shorter name, or applied."""

from __future__ import annotations

from pathlib import Path

from tests.subjects.backprop.judging import judged

LAYERS = """
class Behind:
    def __init__(self, n_in, n_out):
        self.w, self.b = np.random.randn(n_in, n_out), np.zeros(n_out)
    def forward(self, x):
        self.x = x
        return x @ self.w + self.b
    def backward(self, dz):
        return self.x.T @ dz, {db}, dz @ self.w.T
class Before:
    def __init__(self, n_in, n_out):
        self.w, self.b = np.random.randn(n_in, n_out), np.zeros(n_out)
    def __call__(self, x):
        self.x = x
        return self.forward(x)
    def forward(self, x):
        return x @ self.w + self.b
    def backward(self, dz):
        return dz @ self.w.T, self.x.T @ dz, {db}
class Numbers:
    def __init__(self, value):
        self.value, self.grad = value, np.zeros_like(value)
class Held:
    def __init__(self, n_in, n_out):
        self.W, self.B = Numbers(np.random.randn(n_in, n_out)), Numbers(np.zeros(n_out))
    def forward(self, x):
        self.x = x
        return x @ self.W.value + self.B.value
    def backward(self, dz):
        self.W.grad += self.x.T @ dz
        self.B.grad += {db}
        return dz @ self.W.value.T
class Short:
    def __init__(self, n_in, n_out):
        self.weights, self.bias = np.random.randn(n_in, n_out), np.zeros(n_out)
        self.w_grad, self.b_grad = np.zeros((n_in, n_out)), np.zeros(n_out)
    def fwd(self, x):
        return x @ self.weights + self.bias
    def bwd(self, dz, input):
        self.w_grad, self.b_grad = input.T @ dz, {db}
        return dz @ self.weights.T
"""


def test_gradients_are_found_wherever_a_layer_leaves_them(tmp_path: Path) -> None:
    found = judged(tmp_path, LAYERS.format(db="dz.sum(axis=0)"), examples=4)
    assert found.verdict == "right"
    assert "J = Σ c · forward(x): Behind, Before, Held, Short" in found.notes


def test_a_wrong_gradient_beside_its_parameter(tmp_path: Path) -> None:
    held = "class Numbers" + LAYERS.split("class Numbers")[1].split("class Short", maxsplit=1)[0]
    found = judged(tmp_path, held.format(db="dz.mean(axis=0)"), examples=4)
    assert found.verdict == "wrong"
    assert "Held.B.value" in found.told.split("right in every example")[0]
    assert found.lines == (13,)


FIXED = """
RATE = 0.01
class Dense:
    def __init__(self, n_in, n_out):
        self.w, self.b = np.random.randn(n_in, n_out), np.zeros(n_out)
    def forward(self, x):
        self.x = x
        return x @ self.w + self.b
    def backward(self, ds):
        back = ds @ self.w.T
        self.w -= RATE * (self.x.T @ ds + 0.02 * self.w)
        self.b -= RATE * {db}
        return back
"""


def test_a_layer_that_moves_at_a_rate_of_its_own_with_a_penalty(tmp_path: Path) -> None:
    found = judged(tmp_path, FIXED.format(db="ds.sum(axis=0)"), examples=4)
    assert found.verdict == "right"
    assert "Dense: its rate is fixed at 0.01, with a penalty of 0.02/2 Σ W² of its own" in found.notes


def test_a_layer_whose_own_generator_draws_other_weights_for_every_object(tmp_path: Path) -> None:
    held = "class Numbers" + LAYERS.split("class Numbers")[1].split("class Short", maxsplit=1)[0]
    drawn = held.replace("np.random.randn(n_in, n_out)", "np.random.default_rng().normal(size=(n_in, n_out))")
    found = judged(tmp_path, drawn.format(db="dz.sum(axis=0)"), examples=4)
    assert found.verdict == "right"
