# RIGHT: one linear output that is flattened, targets in a vector, gradients by outer products
import numpy as np

class Regressor:
    def __init__(self, n_features, n_hidden, lr=0.01):
        self.W1 = np.random.randn(n_features, n_hidden)
        self.w2 = np.random.randn(n_hidden)
        self.b2 = 0.0
        self.lr = lr

    def predict(self, X):
        self.h = np.tanh(X @ self.W1)
        return self.h @ self.w2 + self.b2

    def fit(self, X, y, epochs=10):
        for _ in range(epochs):
            error = self.predict(X) - y
            grad_w2 = self.h.T @ error / len(y)
            grad_b2 = error.mean()
            grad_h = np.outer(error, self.w2) * (1 - self.h ** 2)
            grad_W1 = X.T @ grad_h / len(y)
            self.W1 -= self.lr * grad_W1
            self.w2 -= self.lr * grad_w2
            self.b2 -= self.lr * grad_b2
