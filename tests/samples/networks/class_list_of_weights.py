# RIGHT: a list of matrices, tanh at the output too, the error taken before the weights move
import numpy as np

class Net:
    def __init__(self, layers):
        self.w = [np.random.randn(a, b) for a, b in zip(layers[:-1], layers[1:])]

    def feed_forward(self, x):
        self.a = [x]
        for w in self.w:
            self.a.append(np.tanh(self.a[-1] @ w))
        return self.a[-1]

    def back_propagate(self, y, lr):
        delta = (self.a[-1] - y) * (1 - self.a[-1] ** 2)
        for k in range(len(self.w) - 1, -1, -1):
            grad = self.a[k].T @ delta
            delta = (delta @ self.w[k].T) * (1 - self.a[k] ** 2)
            self.w[k] = self.w[k] - lr * grad
