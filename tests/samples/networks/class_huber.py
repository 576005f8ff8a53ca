# ASK: right, but for Huber's loss, which is none of those that are tried
import numpy as np

class HuberNet:
    def __init__(self, n_in, n_hidden, n_out):
        self.W1, self.b1 = np.random.randn(n_in, n_hidden), np.zeros((1, n_hidden))
        self.W2, self.b2 = np.random.randn(n_hidden, n_out), np.zeros((1, n_out))

    def forward(self, X):
        self.h = np.tanh(X @ self.W1 + self.b1)
        return self.h @ self.W2 + self.b2

    def train(self, X, y, lr=0.1):
        e = self.forward(X) - y
        d = np.clip(e, -0.3, 0.3)
        dh = d @ self.W2.T * (1 - self.h ** 2)
        self.W2 -= lr * self.h.T @ d
        self.b2 -= lr * d.sum(axis=0, keepdims=True)
        self.W1 -= lr * X.T @ dh
        self.b1 -= lr * dh.sum(axis=0, keepdims=True)
