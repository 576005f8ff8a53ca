# RIGHT: dropout: the mask of the forward pass is the one of the backward pass
import numpy as np
class Net:
    def __init__(self, n_in=2, n_hidden=3, n_out=1, dropout=0.5):
        self.W1 = np.random.randn(n_in, n_hidden)
        self.W2 = np.random.randn(n_hidden, n_out)
        self.dropout = dropout
    def forward(self, X, training=True):
        self.h = np.tanh(X @ self.W1)
        self.mask = (np.random.rand(*self.h.shape) > self.dropout) / (1 - self.dropout)
        if training:
            self.h = self.h * self.mask
        return self.h @ self.W2
    def train(self, X, y, lr=0.1):
        out = self.forward(X)
        d = (out - y) / len(X)
        dh = (d @ self.W2.T) * self.mask * (1 - np.tanh(X @ self.W1) ** 2)
        self.W2 -= lr * self.h.T @ d
        self.W1 -= lr * X.T @ dh
