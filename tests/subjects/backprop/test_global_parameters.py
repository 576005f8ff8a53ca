"""Functions whose parameters are global variables of their script."""

from __future__ import annotations

from pathlib import Path

from tests.subjects.backprop.judging import judged, of_functions, wrongly_moved

READ = """
def initialize_parameters(n_x, n_h, n_y, n_layer):
    return {{"W1": np.random.randn(n_x, n_h), "b1": np.zeros((1, n_h)), "W2": np.random.randn(n_h, n_y)}}
def forward_propagation(X, parameters):
    A1 = np.tanh(X @ parameters["W1"] + parameters["b1"])
    return A1 @ parameters["W2"], {{"A1": A1, "A2": A1 @ parameters["W2"]}}
def backward_propagation(X, Y, caches):
    d2 = caches["A2"] - Y
    d1 = d2 @ parameters["W2"].T * (1 - caches["A1"] ** 2)
    return {{"dW1": X.T @ d1, "db1": {bias}, "dW2": caches["A1"].T @ d2}}
def update_parameters(parameters, grads, learning_rate):
    for name in parameters:
        parameters[name] -= learning_rate * grads["d" + name]
    return parameters
X, Y = load(), load_targets()
parameters = initialize_parameters(X.shape[1], 4, Y.shape[1], 2)
"""


def test_a_backward_pass_that_reads_the_parameters_of_the_script(tmp_path: Path) -> None:
    assert judged(tmp_path, READ.format(bias="d1.sum(axis=0, keepdims=True)")).verdict == "right"
    assert "b1" in wrongly_moved(tmp_path, READ.format(bias="np.sum(d1)"), readings=of_functions)


BOUND = """
W1, b1 = np.random.randn(2, 3), np.zeros((1, 3))
W2, b2 = np.random.randn(3, 1), np.zeros((1, 1))
def forward(X):
    global A1, A2
    A1 = np.tanh(X @ W1 + b1)
    A2 = A1 @ W2 + b2
    return A2
def backward(X, y, lr):
    global W1, b1, W2, b2
    d2 = A2 - y
    d1 = d2 @ W2.T * (1 - A1 ** 2)
    W2 = W2 - lr * A1.T @ d2
    b2 = b2 - lr * d2.sum(axis=0, keepdims=True)
    W1 = W1 - lr * X.T @ {first}
    b1 = b1 - lr * d1.sum(axis=0, keepdims=True)
"""


def test_functions_that_bind_global_arrays_anew(tmp_path: Path) -> None:
    assert judged(tmp_path, BOUND.format(first="d1")).verdict == "right"
    moved = BOUND.format(first="(d2 @ W2.T * (1 - A1 ** 2))")
    assert wrongly_moved(tmp_path, moved, readings=of_functions) == {"W1"}
