# RIGHT: sizes in a list, the activations by their names, samples and targets under long names
import numpy as np

class Network:
    def __init__(self, layer_sizes: list, activations: list, learning_rate: float):
        known = {"relu": lambda z: np.maximum(z, 0), "sigmoid": lambda z: 1 / (1 + np.exp(-z))}
        self.functions = [known[name] for name in activations]
        self.learning_rate = learning_rate
        self.weights = [np.random.randn(a, b) for a, b in zip(layer_sizes, layer_sizes[1:])]

    def _forward(self, X):
        found = [X]
        for w, f in zip(self.weights, self.functions):
            found.append(f(found[-1] @ w))
        return found

    def train(self, training_set_inputs, training_set_outputs, number_of_training_iterations):
        for _ in range(number_of_training_iterations):
            a = self._forward(training_set_inputs)
            d = (a[-1] - training_set_outputs) * a[-1] * (1 - a[-1])
            for k in reversed(range(len(self.weights))):
                gradient = a[k].T @ d
                d = d @ self.weights[k].T * a[k] * (1 - a[k])
                self.weights[k] -= self.learning_rate * gradient
