"""Training loops that work on objects: layers called one by one, a list of layers, an optimizer."""

from __future__ import annotations

from pathlib import Path

from tests.subjects.backprop.judging import judged, wrongly_moved

BOOK = """
class Dense:
    def __init__(self, n_in, n_out):
        self.weights = 0.1 * np.random.randn(n_in, n_out)
        self.biases = np.zeros((1, n_out))
    def forward(self, inputs):
        self.inputs = inputs
        self.output = inputs @ self.weights + self.biases
    def backward(self, dvalues):
        self.dweights = self.inputs.T @ dvalues
        self.dbiases = dvalues.{of_rows}(axis=0, keepdims=True)
        self.dinputs = dvalues @ self.weights.T
class Tanh:
    def forward(self, inputs):
        self.output = np.tanh(inputs)
    def backward(self, dvalues):
        self.dinputs = dvalues * (1 - self.output ** 2)
class Loss:
    def forward(self, outputs, y):
        self.output = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        self.output /= self.output.sum(axis=1, keepdims=True)
        return -np.log(self.output[range(len(y)), y]).mean()
    def backward(self, dvalues, y):
        self.dinputs = dvalues.copy()
        self.dinputs[range(len(y)), y] -= 1
        self.dinputs /= len(y)
class Descent:
    def __init__(self, learning_rate=1.0):
        self.learning_rate = learning_rate
    def update(self, layer):
        layer.weights -= self.learning_rate * layer.dweights
        layer.biases -= self.learning_rate * layer.dbiases
if __name__ == "__main__":
    X, y = make_spirals(100, 3)
    first, between, last, loss, optimizer = 0, 0, 0, 0, 0
    first = Dense(2, 64)
    between = Tanh()
    last = Dense(64, 3)
    loss = Loss()
    optimizer = Descent(learning_rate=0.5)
    for epoch in range(1000):
        first.forward(X)
        between.forward(first.output)
        last.forward(between.output)
        value = loss.forward(last.output, y)
        predictions = np.argmax(loss.output, axis=1)
        loss.backward(loss.output, y)
        last.backward(loss.dinputs)
        between.backward(last.dinputs)
        first.backward(between.dinputs)
        optimizer.update(first)
        optimizer.update(last)
        if epoch % 100 == 0:
            print(value, np.mean(predictions == y))
"""


def test_layers_that_a_script_calls_one_by_one(tmp_path: Path) -> None:
    found = judged(tmp_path, BOOK.format(of_rows="sum"))
    assert found.verdict == "right"
    assert "first.weights" in found.notes


def test_biases_of_such_layers_that_are_averaged_are_wrong(tmp_path: Path) -> None:
    assert wrongly_moved(tmp_path, BOOK.format(of_rows="mean")) == {"first.biases", "last.biases"}


LISTED = """
def error_slope(output, target):
    return 2 * (output - target) / output.size
class Dense:
    def __init__(self, n_in, n_out):
        self.w, self.b = np.random.randn(n_out, n_in), np.zeros((n_out, 1))
    def forward(self, x):
        self.x = x
        return self.w @ x + self.b
    def backward(self, gradient, rate):
        back = self.w.T @ gradient
        self.w -= rate * gradient @ self.x.T
        self.b -= rate * gradient
        return {back}
class Tanh:
    def forward(self, x):
        self.out = np.tanh(x)
        return self.out
    def backward(self, gradient, rate):
        return gradient * (1 - self.out ** 2)
X = np.reshape([[0, 0], [0, 1], [1, 0], [1, 1]], (4, 2, 1))
Y = np.reshape([[0], [1], [1], [0]], (4, 1, 1))
network = [Dense(2, 3), Tanh(), Dense(3, 1), Tanh()]
alpha = 0.1
for epoch in range(10000):
    error = 0
    for x, y in zip(X, Y):
        output = x
        for layer in network:
            output = layer.forward(output)
        error += np.mean((output - y) ** 2)
        gradient = error_slope(output, y)
        for layer in reversed(network):
            gradient = layer.backward(gradient, alpha)
"""


def test_a_list_of_layers_that_a_script_goes_through(tmp_path: Path) -> None:
    assert judged(tmp_path, LISTED.format(back="back")).verdict == "right"


def test_a_list_of_layers_that_move_before_they_hand_their_error_on_is_wrong(tmp_path: Path) -> None:
    wrong = wrongly_moved(tmp_path, LISTED.format(back="self.w.T @ gradient"))
    assert wrong == {"network[0].w", "network[0].b"}
