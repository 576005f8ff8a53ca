# RIGHT: forward, loss and backward, which moves the weights
import numpy as np
class Net:
    def __init__(self, n_in, n_hidden, n_out, lr=0.1):
        self.W1, self.b1 = np.random.randn(n_in, n_hidden), np.zeros((1, n_hidden))
        self.W2, self.b2 = np.random.randn(n_hidden, n_out), np.zeros((1, n_out))
        self.lr = lr
    def forward(self, X):
        self.X, self.h = X, np.tanh(X @ self.W1 + self.b1)
        self.out = self.h @ self.W2 + self.b2
        return self.out
    def loss(self, y):
        return np.mean((self.out - y) ** 2)
    def backward(self, y):
        d = 2 * (self.out - y) / y.size
        dh = d @ self.W2.T * (1 - self.h ** 2)
        self.W2 -= self.lr * self.h.T @ d; self.b2 -= self.lr * d.sum(axis=0, keepdims=True)
        self.W1 -= self.lr * self.X.T @ dh; self.b1 -= self.lr * dh.sum(axis=0, keepdims=True)
