# RIGHT: hidden units in the constructor, weights made in fit, one-hot targets, a validation set beside them
import numpy as np

class Classifier:
    def __init__(self, n_hidden, n_iterations=3000, learning_rate=0.01):
        self.n_hidden, self.n_iterations, self.learning_rate = n_hidden, n_iterations, learning_rate

    def _weights(self, X, y):
        self.W = np.random.uniform(-1, 1, (X.shape[1], self.n_hidden))
        self.w0 = np.zeros((1, self.n_hidden))
        self.V = np.random.uniform(-1, 1, (self.n_hidden, y.shape[1]))
        self.v0 = np.zeros((1, y.shape[1]))

    def fit(self, X_train, y_train, X_valid, y_valid):
        self._weights(X_train, y_train)
        for i in range(self.n_iterations):
            h = np.tanh(X_train @ self.W + self.w0)
            e = np.exp(h @ self.V + self.v0)
            d = e / e.sum(axis=1, keepdims=True) - y_train
            back = d @ self.V.T * (1 - h ** 2)
            self.V -= self.learning_rate * h.T @ d
            self.v0 -= self.learning_rate * d.sum(axis=0, keepdims=True)
            self.W -= self.learning_rate * X_train.T @ back
            self.w0 -= self.learning_rate * back.sum(axis=0, keepdims=True)
            if i % 100 == 0:
                print(np.mean((self.predict(X_valid) - y_valid) ** 2))

    def predict(self, X):
        e = np.exp(np.tanh(X @ self.W + self.w0) @ self.V + self.v0)
        return e / e.sum(axis=1, keepdims=True)
