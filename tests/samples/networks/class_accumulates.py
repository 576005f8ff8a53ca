# WRONG 27: gradients are added up over the calls and never set to zero again
import numpy as np

class Net:
    def __init__(self, n_in, n_hidden, n_out, lr=0.1):
        self.W1 = np.random.randn(n_in, n_hidden)
        self.W2 = np.random.randn(n_hidden, n_out)
        self.dW1 = np.zeros_like(self.W1)
        self.dW2 = np.zeros_like(self.W2)
        self.lr = lr

    def forward(self, X):
        self.h = 1 / (1 + np.exp(-(X @ self.W1)))
        return self.h @ self.W2

    def fit(self, X, y, epochs=1):
        for epoch in range(epochs):
            self._step(X, y)

    def _step(self, X, y):
        out = self.forward(X)
        d = out - y
        dh = d @ self.W2.T * self.h * (1 - self.h)
        for name, gradient in (("dW1", X.T @ dh), ("dW2", self.h.T @ d)):
            old = getattr(self, name)
            # the sum of all steps so far
            setattr(self, name, old + gradient)
        self.W1 -= self.lr * self.dW1
        self.W2 -= self.lr * self.dW2
